"""Looks ahead: how the cohorts of a plan would be trained, for how long, and by how many processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xprun.plugins.machine import usable_cores
from xprun.plugins.tensor_groups import bytes_of
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort, parts_of
from xprun.runner.workers.parent_link import now_training

if TYPE_CHECKING:
    from xprun.runner.engine.execution_units import ExecutionUnit
    from xprun.runner.workload.workload import Workload

COPIES = 4  # of a model: its parameters, their gradients, and two tensors of an optimizer's state
# As measured on two cores, of which each had a process with LeNet at work.
ANOTHER_PROCESS = 0.1  # seconds: its fork, its first task and its last message
CROWDED = 1.1  # times longer, where every core has a process
SURE_GAIN = 0.9  # of the time of one process, above which it stays with one: estimates are off by that much
WORTH_SHARING = 2.0  # seconds in one process, below which several are not thought of
TOGETHER_WORTH_SHARING = 15.0  # the same of runs that train together, of which parts round otherwise than the whole


@dataclass(frozen=True)
class Cost:
    """What so many runs of a cohort take in one process, in seconds.

    `start` is for the data, the model, and the choice of how to train, which every process has to make that has a part
    of them. `crowded` is the training where each operation has the one thread that is left beside other processes.
    `fixed` is the share of the training that takes as long for a part of the runs as for all: most of it where they are
    trained `together` in short steps, and nothing where each is trained alone. `traced`: the model is.
    """

    runs: int
    start: float = 0.0
    training: float = 0.0
    evaluation: float = 0.0
    crowded: float = 0.0
    fixed: float = 0.0
    together: bool = False
    traced: bool = False

    @property
    def whole(self) -> float:
        """The seconds of all runs, without the start."""
        return self.training + self.evaluation

    def of_runs(self, runs: int) -> Cost:
        """Return what another cohort of so many runs takes that is of the same kind."""
        more = runs / self.runs
        times = {name: getattr(self, name) * more for name in ("training", "evaluation", "crowded")}
        return replace(self, runs=runs, **times)

    def part(self, runs: int) -> float:
        """Return the seconds of so many of the runs beside other processes, without the start."""
        share = runs / self.runs
        return CROWDED * (self.crowded * (self.fixed + (1 - self.fixed) * share) + self.evaluation * share)


@dataclass(frozen=True)
class CostEstimate:
    """How a cohort will be trained: execution units, the steps of a run, what all take, bytes of memory."""

    cohort: Cohort
    units: list[ExecutionUnit]
    steps: int
    cost: Cost
    memory: int


def estimate(cohort: Cohort, context: Context) -> CostEstimate:
    """Return the outlook of a cohort, from a few steps of each way to train it, and an evaluation of a few rows.

    Raises what a component raises when it is made or takes its first step.
    """
    from xprun.runner.engine.execution_units import select_strategy
    from xprun.runner.engine.thread_counts import share
    from xprun.runner.execution.cohort_execution import prepare_torch, workload_of

    began = time.perf_counter()
    prepare_torch()
    work = workload_of(cohort, context)
    units = [_with_blocks(work, unit) for unit in select_strategy(work, cohort.runs, share(context.workers))]
    start = time.perf_counter() - began
    return CostEstimate(cohort, units, work.schedule.steps, _cost(work, units, start), _memory(work, units))


BLOCKS = {
    "kept": "in compiled blocks of steps, which are kept from earlier",
    "beside": "in compiled blocks of steps as soon as these are ready, which is not in the estimate",
    "wait": "in compiled blocks of steps, for which it waits",
}
ALONE = 'run.compile = true compiles only what trains together (run.engine = "together")'


def _with_blocks(work: Workload, unit: ExecutionUnit) -> ExecutionUnit:
    """Return a unit with what is known of its compiled blocks: the seconds of a step, where these are kept."""
    wanted = unit.runs[0].settings.compile
    if not unit.program:
        return replace(unit, reason=f"{unit.reason}; {ALONE}") if wanted is True else unit
    if unit.shards > 1 or work.device.type != "cpu":
        return unit
    from xprun.runner.engine.compiled_blocks import may_repay, outlook
    from xprun.runner.engine.execution_units import make_program
    from xprun.runner.engine.loop import Training

    seconds = _seconds_per_step(work, unit)
    if not may_repay(wanted, seconds, work.schedule.steps):
        return unit
    how, in_blocks = outlook(Training(work, make_program(work, unit.grid, unit.program), unit.grid), seconds)
    if how is None:
        return replace(unit, reason=f"{unit.reason}; its steps cannot be compiled") if wanted is True else unit
    return replace(unit, seconds_per_step=in_blocks, reason=f"{unit.reason}; {BLOCKS[how]}")


def costs_of(cohorts: list[Cohort], context: Context) -> list[Cost]:
    """Return about what each of some cohorts takes, up to the one with which they are worth several processes."""
    costs = list[Cost]()
    for cohort in cohorts:
        now_training([run.id for run in cohort.runs])  # a time limit is for each
        costs.append(estimate(cohort, context).cost)
        if best_workers(costs, context.spread) > 1:
            break
    return costs


def make_ready(cohort: Cohort, context: Context) -> None:
    """Make the data of a cohort, which the next task of this process finds there."""
    from xprun.runner.execution.cohort_execution import prepare_torch, workload_of

    prepare_torch()
    workload_of(cohort, context)


def seconds_with(workers: int, costs: Sequence[Cost]) -> float:
    """Return how long so many processes take for all cohorts, which are cut into parts.

    A part is given to the process that is free first. One that has had a part of the same cohort need not start again;
    the first one has looked at the last cohort already.
    """
    if workers == 1:
        return sum(cost.start + cost.whole for cost in costs) - costs[-1].start if costs else 0.0
    free, latest = [0.0, *[ANOTHER_PROCESS] * (workers - 1)], [len(costs) - 1, *[-1] * (workers - 1)]
    for number, (cost, parts) in enumerate(zip(costs, parts_of([cost.whole for cost in costs], workers), strict=True)):
        parts = min(parts, cost.runs)
        for part in range(parts):
            first = free.index(min(free))
            free[first] += cost.part(cost.runs // parts + (part < cost.runs % parts))
            free[first] += cost.start if latest[first] != number else 0.0
            latest[first] = number
    return max(free)


def best_workers(costs: Sequence[Cost], devices: Sequence[str]) -> int:
    """Return how many processes train cohorts soonest: one for each core or GPU, or one where more are no sure gain."""
    most = most_workers(sum(cost.runs for cost in costs), devices)
    seconds = sum(cost.whole for cost in costs)
    least = TOGETHER_WORTH_SHARING if any(cost.together for cost in costs) else WORTH_SHARING
    gains = most > 1 and seconds_with(most, costs) < SURE_GAIN * seconds_with(1, costs)
    return most if seconds > least and gains else 1


def most_workers(runs: int, devices: Sequence[str]) -> int:
    """Return how many processes may share the training of so many runs on some devices: of accelerators, one each."""
    return min(usable_cores() if devices[0] == "cpu" else len(devices), runs)


def _cost(work: Workload, units: list[ExecutionUnit], start: float) -> Cost:
    from xprun.runner.engine.execution_units import select_strategy
    from xprun.runner.engine.programs.traced import Traced

    runs = [run for unit in units for run in unit.runs]
    timed = [_UnitTime.of(work, unit) for unit in units]
    training, evaluation = sum(one.training for one in timed), sum(one.evaluation for one in timed)
    together = any(unit.program for unit in units)
    crowded, fixed = training, 0.0
    if training + evaluation > WORTH_SHARING and len(runs) > 1:
        fixed = sum(one.fixed for one in timed) / training if training else 0.0
        if any(unit.threads * unit.shards > 1 for unit in units):
            crowded = sum(_UnitTime.of(work, unit).training for unit in select_strategy(work, runs, 1))
    traced = any(unit.program == Traced.name for unit in units)
    return Cost(len(runs), start, training, evaluation, crowded, fixed, together, traced)


@dataclass(frozen=True)
class _UnitTime:
    """The seconds of a step of all runs of a unit, and of all steps, and evaluations."""

    work: Workload
    unit: ExecutionUnit
    per_step: float
    training: float

    @classmethod
    def of(cls, work: Workload, unit: ExecutionUnit) -> _UnitTime:
        """Return the times of a unit; a limit on time is for the runs that are trained in one go."""
        per_step, in_turn = _seconds_per_step(work, unit), _in_turn(unit)
        return cls(work, unit, per_step, work.schedule.seconds(per_step / in_turn) * in_turn)

    @property
    def evaluation(self) -> float:
        from xprun.runner.engine.evaluation_time import evaluation_seconds

        schedule = self.work.schedule
        limit = schedule.stop.max_seconds if schedule.stop else None
        if limit is None:
            return evaluation_seconds(self.work, self.unit, schedule.steps)
        in_turn = _in_turn(self.unit)
        steps = round(self.training / self.per_step) if self.per_step else schedule.steps
        seconds = evaluation_seconds(self.work, self.unit, min(schedule.steps, steps))
        return min(seconds, max(0.0, limit * in_turn - self.training))

    @property
    def fixed(self) -> float:
        """The seconds of the training that would be as many for fewer runs: at most those of a lone run."""
        from xprun.runner.engine.execution_units import time_alone

        if not self.unit.program or len(self.unit.runs) == 1:
            return 0.0
        lone = min(self.training, self.work.schedule.seconds(time_alone(self.work, self.unit.runs[0]).seconds))
        return max(0.0, lone - (self.training - lone) / (len(self.unit.runs) - 1))


def _in_turn(unit: ExecutionUnit) -> int:
    """Return how many runs of a unit are trained one after the other."""
    return 1 if unit.program else len(unit.runs)


def _memory(work: Workload, units: list[ExecutionUnit]) -> int:
    """Return about how many bytes data and models take; what a forward pass keeps for its backward pass is left out."""
    tables = work.every_split.values()
    data = sum(table.targets.nbytes + bytes_of(table.inputs) for table in tables)
    model = sum(parameter.nbytes for parameter in work.make_model(0).parameters())
    at_once = max(len(unit.grid) if unit.program else 1 for unit in units)
    return data + COPIES * model * at_once


def _seconds_per_step(work: Workload, unit: ExecutionUnit) -> float:
    """Return the seconds of a step of all runs of a unit; the engine may have chosen it without measuring."""
    from xprun.runner.engine.execution_units import time_alone

    if unit.seconds_per_step is not None:
        return unit.seconds_per_step / unit.shards
    return time_alone(work, unit.runs[0]).seconds * len(unit.runs)
