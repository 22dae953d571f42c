"""Looks ahead: how the cohorts of a plan would be trained, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xprun.plugins.machine import usable_cores
from xprun.plugins.tensor_groups import bytes_of
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.workers.parent_link import now_training

if TYPE_CHECKING:
    from xprun.runner.engine.execution_units import ExecutionUnit
    from xprun.runner.workload.workload import Workload

WORKERS_REPAY = 15.0  # seconds of training below which starting worker processes costs more than they save
COPIES = 4  # of a model: its parameters, their gradients, and two tensors of an optimizer's state


@dataclass(frozen=True)
class CostEstimate:
    """How a cohort will be trained: execution units, the steps of a run, the seconds that all take, bytes of memory."""

    cohort: Cohort
    units: list[ExecutionUnit]
    steps: int
    seconds: float
    memory: int


def estimate(cohort: Cohort, context: Context) -> CostEstimate:
    """Return the outlook of a cohort, from a few steps of each way to train it.

    Raises what a component raises when it is made or takes its first step.
    """
    from xprun.runner.engine.execution_units import select_strategy
    from xprun.runner.engine.thread_counts import share
    from xprun.runner.execution.cohort_execution import prepare_torch, workload_of

    prepare_torch()
    work = workload_of(cohort, context)
    units = select_strategy(work, cohort.runs, share(context.workers))
    seconds = sum(_seconds(work, unit) for unit in units)
    return CostEstimate(cohort, units, work.schedule.steps, seconds, _memory(work, units))


def seconds_of(cohorts: list[Cohort], context: Context) -> float:
    """Return about how long the training of cohorts takes, in seconds."""
    seconds = 0.0
    for cohort in cohorts:
        now_training([run.id for run in cohort.runs])  # a time limit is for each
        seconds += estimate(cohort, context).seconds
    return seconds


def workers_that_repay(seconds: float, runs: int, device: str) -> int:
    """Return how many processes end so many seconds of training soonest: one, unless the work repays starting more."""
    return usable_cores() if device == "cpu" and runs > 1 and seconds > WORKERS_REPAY else 1


def _memory(work: Workload, units: list[ExecutionUnit]) -> int:
    """Return about how many bytes data and models take; what a forward pass keeps for its backward pass is left out."""
    tables = work.every_split.values()
    data = sum(table.targets.nbytes + bytes_of(table.inputs) for table in tables)
    model = sum(parameter.nbytes for parameter in work.make_model(0).parameters())
    at_once = max(len(unit.grid) if unit.program else 1 for unit in units)
    return data + COPIES * model * at_once


def _seconds(work: Workload, unit: ExecutionUnit) -> float:
    """Return the seconds of all steps of all runs of a unit, of which a limit on time is for those in one go."""
    in_turn = 1 if unit.program else len(unit.runs)
    return work.schedule.seconds(_seconds_per_step(work, unit) / in_turn) * in_turn


def _seconds_per_step(work: Workload, unit: ExecutionUnit) -> float:
    """Return the seconds of a step of all runs of a unit; the engine may have chosen it without measuring."""
    from xprun.runner.engine.execution_units import time_alone

    if unit.seconds_per_step is not None:
        return unit.seconds_per_step / unit.shards
    return time_alone(work, unit.runs[0]).seconds * len(unit.runs)
