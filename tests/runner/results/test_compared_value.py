"""A run is compared by its last value, by that of its best evaluation, or by the steps that it took to a target."""

from __future__ import annotations

import math

import numpy as np
import pytest
from xprun.runner.results.compared_value import chosen_by, cost
from xprun.runner.results.outcome import Outcome, Series, Status
from xprun.runner.results.results_schema import Comparison


def ended(status: Status = "done") -> Outcome:
    accuracy = Series(np.array([10, 20, 30]), np.array([0.5, 0.9, 0.7]))
    loss = Series(np.array([1, 6, 30]), np.array([2.0, 0.4, 0.5]))
    return Outcome("a", status, history={"valid.accuracy": accuracy, "loss": loss})


def test_a_run_is_ranked_by_what_its_comparison_looks_at() -> None:
    assert cost(Comparison("valid.accuracy", "max"), ended()) == -0.7
    assert cost(Comparison("valid.accuracy", "max", at="checkpoint"), ended()) == -0.9
    assert cost(Comparison("loss", "min"), ended()) == 0.5
    assert cost(Comparison("loss", "min", at="checkpoint"), ended()) == 0.4
    assert cost(Comparison("loss", "min"), ended("diverged")) == math.inf


def by_time(metric: str, target: float) -> Comparison:
    goal = "min" if metric == "loss" else "max"
    return Comparison("steps_to_target", "min", target=target, target_metric=metric, target_goal=goal)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "target", "steps"),
    [("valid.accuracy", 0.9, 20), ("valid.accuracy", 0.3, 10), ("loss", 0.5, 6), ("loss", 2.0, 1)],
)
def test_the_first_measurement_at_the_target_counts(metric: str, target: float, steps: int) -> None:
    assert chosen_by(by_time(metric, target), ended()) == cost(by_time(metric, target), ended()) == steps
    assert chosen_by(by_time(metric, target), ended("stopped")) == steps


@pytest.mark.parametrize(("metric", "target"), [("valid.accuracy", 0.95), ("loss", 0.1), ("valid.mae", 1.0)])
def test_a_run_that_never_reaches_the_target_is_worse_than_any(metric: str, target: float) -> None:
    assert math.isnan(chosen_by(by_time(metric, target), ended()))
    assert cost(by_time(metric, target), ended()) == math.inf


def test_a_run_that_diverged_later_has_reached_nothing() -> None:
    assert math.isnan(chosen_by(by_time("valid.accuracy", 0.5), ended("diverged")))


def test_the_untrained_model_may_be_the_best_but_takes_no_step_to_the_target() -> None:
    history = {"valid.accuracy": Series(np.array([0, 10, 20]), np.array([0.9, 0.5, 0.7]))}
    run = Outcome("a", "done", steps=20, history=history)
    assert chosen_by(Comparison("valid.accuracy", "max", at="checkpoint"), run) == 0.9
    assert chosen_by(Comparison("valid.accuracy", "max"), run) == 0.7
    assert chosen_by(by_time("valid.accuracy", 0.6), run) == 20
    assert math.isnan(chosen_by(by_time("valid.accuracy", 0.8), run))


def test_what_takes_no_step_is_compared_as_it_starts() -> None:
    run = Outcome("a", "done", history={"valid.accuracy": Series(np.array([0]), np.array([0.9]))})
    assert chosen_by(Comparison("valid.accuracy", "max"), run) == 0.9
    assert chosen_by(by_time("valid.accuracy", 0.8), run) == 0


def test_a_run_that_diverged_at_once_has_nothing_but_its_start() -> None:
    run = Outcome("a", "diverged", steps=1, history={"valid.accuracy": Series(np.array([0]), np.array([0.9]))})
    assert run.trained("valid.accuracy") is None
    assert run.best("valid.accuracy", "max") == 0.9
    assert math.isnan(chosen_by(Comparison("valid.accuracy", "max", at="checkpoint"), run))


def test_what_was_never_finite_has_no_best() -> None:
    run = Outcome("a", "done", steps=1, history={"valid.loss": Series(np.array([0, 1]), np.array([np.nan, np.inf]))})
    assert math.isnan(run.best("valid.loss", "min")) and math.isnan(run.best("valid.mae", "min"))
