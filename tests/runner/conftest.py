"""Helpers of the runner's tests: from the text of a spec to outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from xprun.plugins.registry import REGISTRY
from xprun.runner.checks.check import resolve
from xprun.runner.engine.lanes import train_in_lanes
from xprun.runner.engine.pieces import Piece, grids_of
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Plan, make_plan
from xprun.runner.training.alone import train_alone
from xprun.runner.training.workload import make_workload
from xprun.specs import Run, read_document, read_spec


def each_alone(runs: list[Run]) -> dict[str, Outcome]:
    """Train the runs of one cohort in the ordinary loop; return their outcomes by id."""
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    return {run.id: train_alone(work, run) for run in runs}


def all_together(runs: list[Run], program: str = "linear-stack") -> dict[str, Outcome]:
    """Train the runs of one cohort at once; return their outcomes by id."""
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    made = [train_in_lanes(work, Piece(grid, program, "", None)) for grid in grids_of(work, runs)]
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


@pytest.fixture
def plan(write: Callable[[str], Path]) -> MakePlan:
    """Return a function from the text of a spec, and `--set` texts, to its plan."""

    def make(text: str, *sets: str) -> Plan:
        return make_plan(resolve(read_spec(read_document(write(text), sets)), REGISTRY), "cpu")

    return make


@pytest.fixture
def train(plan: MakePlan) -> Train:
    """Return a function that trains every run of a spec alone and gives their outcomes."""

    def run(text: str, *sets: str) -> list[Outcome]:
        runs = plan(text, *sets).runs
        return [train_alone(make_workload(REGISTRY, run, torch.device("cpu")), run) for run in runs]

    return run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch use one thread, as the engine does for small programs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
