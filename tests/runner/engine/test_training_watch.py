"""Who looks at a training sees it as it goes, and changes not a bit of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.cohorts import DATA, MSE, REAL, TINY, WILDEST, Cohort, grid, named, points
from support.training import MakePlan
from xprun.plugins.registry import data
from xprun.runner.engine.execution_units import ExecutionUnit
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.process import training_progress
from xprun.runner.process.training_progress import TrainingProgress, heard_by
from xprun.runner.results.outcome import Outcome


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


@pytest.fixture
def cohort(plan: MakePlan) -> Cohort:
    run = {"epochs": 12, "seeds": 2, "metrics": ["accuracy"], "stop": {"loss_below": 0.05}}
    return Cohort(
        plan, data=DATA | {"batch_size": 6, "valid": 0.2}, optimizer=named("Adam", lr=grid(0.01, 0.1)), run=run
    )


def of_shards(cohort: Cohort, program: str, shards: int) -> Callable[[float], list[Outcome]]:
    def train(tell_every: float) -> list[Outcome]:
        units = [ExecutionUnit(cells, program, "", None, shards=shards) for cells in cohort.grids]
        return [outcome for unit in units for outcome in train_in_shards(cohort.work, unit, tell_every=tell_every)]

    return train


def of_lone_runs(cohort: Cohort) -> Callable[[float], list[Outcome]]:
    return lambda every: [train_alone(cohort.work, run, tell_every=every) for run in cohort.runs]


def bits(outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        outcome.run: (
            outcome.status,
            outcome.steps,
            outcome.parameters,
            {metric: (series.steps.tobytes(), series.values.tobytes()) for metric, series in outcome.history.items()},
        )
        for outcome in outcomes
    }


WAYS = {
    "alone": of_lone_runs,
    "linear-stack": lambda cohort: of_shards(cohort, "linear-stack", 1),
    "traced": lambda cohort: of_shards(cohort, "traced", 1),
    "in two threads": lambda cohort: of_shards(cohort, "linear-stack", 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_the_same_to_the_bit_whether_somebody_looks_or_not(way: str, cohort: Cohort) -> None:
    train = WAYS[way](cohort)
    heard: list[TrainingProgress] = []
    with heard_by(heard.append):
        seen = train(0.0)
    assert bits(seen) == bits(train(0.0)) == bits(train(training_progress.NEVER))
    assert len(heard) > len(cohort.runs)


def test_what_is_told_is_what_the_history_says(cohort: Cohort) -> None:
    heard: list[TrainingProgress] = []
    with heard_by(heard.append):
        outcomes = {outcome.run: outcome for outcome in of_shards(cohort, "linear-stack", 1)(0.0)}
    for told in heard:
        assert (told.steps, told.per_epoch, told.open) == (36, 3, len(told.runs))
        for run in told.runs:
            for metric, (step, value) in told.values(run).items():
                series = outcomes[run].history[metric]
                assert value == series.values[np.searchsorted(series.steps, step)], (metric, step)
    first, *later = heard
    assert first.untrained == {
        metric: [outcomes[run].history[metric].values[0] for run in first.runs]
        for metric in ("train.loss", "train.accuracy", "valid.loss", "valid.accuracy")
    }
    assert not any(told.untrained for told in later)
    assert {metric for told in heard for metric in told.latest} == {
        "loss",
        *(f"{part}.{metric}" for part in ("train", "valid") for metric in ("loss", "accuracy")),
    }
    assert [told.step for told in heard] == sorted({told.step for told in heard})


def test_a_run_that_has_ended_is_told_no_more(plan: MakePlan) -> None:
    rows = REAL | {"batch_size": "full"}
    run = {"steps": 6, "evaluate_every": 3}
    cohort = Cohort(plan, data=rows, model=TINY, loss=MSE, optimizer=named("SGD", lr=grid(0.1, WILDEST)), run=run)
    heard: list[TrainingProgress] = []
    with heard_by(heard.append):
        outcomes = of_shards(cohort, "linear-stack", 1)(0.0)
    lasting = [outcome.run for outcome in outcomes if outcome.status == "done"]
    assert len(outcomes) == 2
    assert {told.step: told.runs for told in heard} == {
        step: lasting if step > 3 else [run.id for run in cohort.runs] for step in range(1, 7)
    }
    assert len({told.unit for told in heard}) == 1


def test_large_stacks_tell_of_some_of_their_runs(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprun.runner.engine.training_watch.MOST_RUNS", 3)
    cohort = Cohort(plan, optimizer=named("SGD", lr=grid(0.1, 0.2)), run={"steps": 2, "seeds": 3})
    heard: list[TrainingProgress] = []
    with heard_by(heard.append):
        of_shards(cohort, "linear-stack", 1)(0.0)
    assert {(told.open, len(told.runs)) for told in heard} == {(6, 3)}
