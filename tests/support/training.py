"""From the text of a spec to outcomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.planning.plan import Plan
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.workload import make_workload
from xprun.specs import Run

SCHEDULE_FREE = Path(__file__).with_name("schedule_free.py")  # a plugin file with the optimizer `averaged`


def each_alone(runs: list[Run]) -> dict[str, Outcome]:
    """Train the runs of one cohort in the ordinary loop; return their outcomes by id."""
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    return {run.id: train_alone(work, run) for run in runs}


def all_together(runs: list[Run], program: str = "linear-stack") -> dict[str, Outcome]:
    """Train the runs of one cohort at once; return their outcomes by id."""
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    made = [train_in_shards(work, ExecutionUnit(grid, program, "", None)) for grid in grids_of(work, runs)]
    return {outcome.run: outcome for outcomes in made for outcome in outcomes}


def agree(found: dict[str, Outcome], expected: dict[str, Outcome]) -> None:
    """See that the outcomes tell the same story, their numbers equal up to rounding."""
    assert found.keys() == expected.keys()
    for run, outcome in found.items():
        other = expected[run]
        assert (outcome.status, outcome.steps, outcome.reason) == (other.status, other.steps, other.reason)
        assert outcome.history.keys() == other.history.keys()
        for metric, series in outcome.history.items():
            assert series.steps.tolist() == other.history[metric].steps.tolist(), metric
            np.testing.assert_allclose(series.values, other.history[metric].values, 1e-9, 1e-12, err_msg=metric)


Train = Callable[..., list[Outcome]]


MakePlan = Callable[..., Plan]
