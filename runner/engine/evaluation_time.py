"""How long the evaluations of a unit take, from a short trial on a few rows of each set."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from xprun.plugins.datasets.table import Table
from xprun.plugins.tensor_groups import first_rows
from xprun.runner.engine.execution_units import ExecutionUnit, make_program
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.thread_counts import using_threads
from xprun.runner.workload.device_generators import own_draws
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload

MOST_ROWS = 1024  # of a set that are tried
MOST_OUTPUTS = 2**17  # rows that are tried of all runs of a unit
TRIALS = 2  # of which the first pays for memory that the other finds


def evaluation_seconds(work: Workload, unit: ExecutionUnit, steps: int) -> float:
    """Return about how long all evaluations of the runs of a unit take, in as many steps, and what is measured after.

    Pictures are left out: they need a few rows.
    """
    rows = sum(map(len, work.splits.values())) * work.schedule.evaluations(steps)
    rows += sum(map(len, work.splits_at_end.values()))
    rows += sum(map(len, work.splits_of_matrices.values())) if work.matrices else 0
    if not rows:
        return 0.0
    lone = unit.program is None
    grid = Grid([[unit.runs[0]]]) if lone else unit.grid
    few = _with_few_rows(work, max(1, min(MOST_ROWS, MOST_OUTPUTS // len(grid))))
    with using_threads(unit.threads), own_draws(work.device):
        training = Training(few, make_program(few, grid, unit.program or Autograd.name), grid)
        seconds = min(_seconds(training) for _ in range(TRIALS))
    per_row = seconds / sum(map(len, few.splits.values()))
    return rows * per_row * (len(unit.runs) if lone else 1) / unit.shards


def _with_few_rows(work: Workload, rows: int) -> Workload:
    """Return a workload of which the first rows of each set are measured, at every evaluation."""
    valid, test = (_first(part, rows) if part else None for part in (work.valid, work.test))
    few = replace(
        work, feed=work.feed.in_process(), train=_first(work.train, rows), valid=valid, test=test, measure_test="each"
    )
    return few if few.splits else replace(few, valid=few.train)


def _first(table: Table, rows: int) -> Table:
    return replace(table, inputs=first_rows(table.inputs, rows), targets=table.targets[:rows], augmentation=None)


def _seconds(training: Training) -> float:
    """Return how long one evaluation takes."""
    start = time.perf_counter()
    training.program.train(False)
    with torch.no_grad():
        training.evaluation.measure()
    return time.perf_counter() - start
