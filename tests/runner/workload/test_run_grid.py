"""Runs lie in a grid: those of a row see the same batches, those of a column have the same settings."""

from __future__ import annotations

from itertools import groupby

import pytest
from support.training import MakePlan
from xprun.runner.engine.optimizer_families import program_key
from xprun.runner.workload.run_grid import Grid, make_grids
from xprun.specs import Run

THREE_FAMILIES = """
[data]
name = "line"
samples = 20
batch_size = 5
[model]
name = "linear"
[loss]
name = "MSELoss"
[[optimizer]]
name = "Adam"
lr = { grid = [0.1, 0.2] }
[[optimizer]]
name = "SGD"
lr = 0.1
[[optimizer]]
name = "Adam"
lr = 0.3
[[optimizer]]
name = "Adam"
lr = 0.4
amsgrad = true
[run]
steps = 5
seeds = [3, 1, 2]
"""


def settings(run: Run) -> str:
    return run.choices["optimizer"].identity


def check(grids: list[Grid], runs: list[Run]) -> None:
    """See that each run is in one place, rows share their seed, columns their settings, and families lie together."""
    placed = [run.id for grid in grids for _, _, run in grid.cells()]
    assert sorted(placed) == sorted(run.id for run in runs)
    for grid in grids:
        assert len(grid) == grid.groups * grid.columns == sum(map(len, grid.runs))
        assert all(len({run.seed for run in group}) == 1 for group in grid.runs)
        assert all(len({settings(run) for run in column}) == 1 for column in zip(*grid.runs, strict=True))
        families = [key for key, _ in groupby(grid.runs[0], program_key)]
        assert len(families) == len(set(families))


def test_settings_by_seeds_are_one_grid(plan: MakePlan) -> None:
    runs = plan(THREE_FAMILIES).runs
    [grid] = make_grids(runs, program_key, one_group=False)
    check([grid], runs)
    assert (grid.groups, grid.columns) == (3, 5)
    assert [group[0].seed for group in grid.runs] == [1, 2, 3]


def test_one_run_is_a_grid(plan: MakePlan) -> None:
    runs = plan(THREE_FAMILIES).runs[:1]
    for full_batch in (True, False):
        [grid] = make_grids(runs, program_key, one_group=full_batch)
        assert grid.runs == [runs]


def test_runs_of_a_full_batch_are_one_row(plan: MakePlan) -> None:
    runs = plan(THREE_FAMILIES).runs
    [grid] = make_grids(runs, program_key, one_group=True)
    assert (grid.groups, grid.columns) == (1, 15)
    families = [key for key, _ in groupby(grid.runs[0], program_key)]
    assert len(families) == 3
    assert {run.id for run in grid.runs[0]} == {run.id for run in runs}


@pytest.mark.parametrize("missing", [{0}, {0, 4, 8}, {0, 1, 2}, {1, 2, 4, 5, 9, 14}, set(range(1, 15))])
def test_what_an_interrupted_cohort_lacks_becomes_grids_without_holes(missing: set[int], plan: MakePlan) -> None:
    runs = [run for i, run in enumerate(plan(THREE_FAMILIES).runs) if i not in missing]
    check(make_grids(runs, program_key, one_group=False), runs)


def test_settings_that_lack_the_same_seeds_share_a_grid(plan: MakePlan) -> None:
    runs = [run for i, run in enumerate(plan(THREE_FAMILIES).runs) if i not in (0, 3)]  # both of seed 3
    shapes = sorted((grid.groups, grid.columns) for grid in make_grids(runs, program_key, one_group=False))
    assert shapes == [(2, 2), (3, 3)]


def test_a_grid_keeps_some_of_its_columns_in_order(plan: MakePlan) -> None:
    [grid] = make_grids(plan(THREE_FAMILIES).runs, program_key, one_group=False)
    kept = grid.keep([0, 3])
    assert kept.runs == [[group[0], group[3]] for group in grid.runs]
    assert [(s, k) for s, k, _ in kept.cells()] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
