"""A training that is under way in words, and the curves so far of its runs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.progress import progress_of
from xprun.runner.results.results_schema import Comparison
from xprun.runner.status.curves_so_far import MOST_METRICS, MOST_POINTS, CurvesSoFar
from xprun.runner.status.under_way import UnderWay, best_run, duration, line, position

ACCURACY = Comparison("valid.accuracy", "max")


def told(step: int = 6, **values: Any) -> Any:
    latest = {"loss": (step, [0.3, 0.2]), "valid.accuracy": (5, [0.9, 0.8])}
    return progress_of({"a": [1.0], "b": [1.0]}, step=step, **{"latest": latest, **values})


def test_a_line_tells_the_best_run_of_several() -> None:
    text = line(told(seconds_left=12.4), ACCURACY, {"a": "SGD", "b": "Adam"}.__getitem__)
    assert text == "2 runs at step 6 of 10, best now SGD: loss 0.3, valid.accuracy 0.9; 12 s left"


def test_a_line_on_a_run_without_neighbours_has_no_name() -> None:
    text = line(progress_of({"a": [0.25]}, seconds_left=math.inf), ACCURACY, lambda run: "")
    assert text == "step 1 of 10, loss 0.25"


@pytest.mark.parametrize(
    ("step", "steps", "per_epoch", "text"),
    [
        (1200, 5000, 1, "step 1,200 of 5,000"),
        (1200, 5000, 300, "step 1,200 of 5,000"),
        (5, 20, 10, "epoch 0.5 of 2"),
        (10, 20, 10, "epoch 1 of 2"),
        (1005, 3000, 10, "epoch 100 of 300"),
    ],
)
def test_where_a_training_is(step: int, steps: int, per_epoch: int, text: str) -> None:
    assert position(told(step, steps=steps, per_epoch=per_epoch)) == text


def test_the_best_run_has_the_best_finite_value_of_the_metric_and_before_that_of_the_loss() -> None:
    assert best_run(told(), ACCURACY) == "a"
    assert best_run(told(), Comparison("test.mae", "min")) == "b"
    assert best_run(told(latest={"valid.accuracy": (1, [math.nan, 0.1])}), ACCURACY) == "b"
    assert best_run(told(latest={"loss": (1, [-math.inf, 7.0])}), ACCURACY) == "b"
    untrained = {"loss": (3, [0.3, 0.2]), "valid.accuracy": (0, [0.9, 0.8])}
    assert best_run(told(latest=untrained), ACCURACY) == "b"


def test_curves_begin_with_the_untrained_model_which_the_first_message_tells() -> None:
    curves = CurvesSoFar()
    curves.hear(told(untrained={"valid.accuracy": [0.1, 0.2]}), "valid.accuracy")
    curves.hear(told(7, latest={"loss": (7, [0.2, 0.1]), "valid.accuracy": (7, [0.95, 0.7])}), "valid.accuracy")
    assert curves.curves["a"] == {"loss": ([6, 7], [0.3, 0.2]), "valid.accuracy": ([0, 5, 7], [0.1, 0.9, 0.95])}
    assert curves.curves["b"]["valid.accuracy"] == ([0, 5, 7], [0.2, 0.8, 0.7])


def test_steps_count_as_parts_of_runs_until_these_have_ended() -> None:
    under_way = UnderWay()
    under_way.hear(told(step=5))
    under_way.hear(told(step=6))
    assert under_way.done == pytest.approx(2 * 0.6)
    under_way.ended("b")
    under_way.ended("a")
    assert under_way.done == 0


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (90, "2 min"), (9000, "2.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_curves_keep_their_ends_and_a_bounded_number_of_points() -> None:
    curves = CurvesSoFar()
    for step in range(1, 1001):
        curves.hear(progress_of({"a": [1 / step]}, step=step, steps=1000), "loss")
    steps, values = curves.curves["a"]["loss"]
    assert MOST_POINTS / 3 < len(steps) <= MOST_POINTS
    assert (steps[0], steps[-1]) == (1, 1000)
    assert steps == sorted(set(steps))
    assert values == [1 / step for step in steps]


def test_a_point_that_is_told_twice_is_one_and_a_training_that_begins_again_has_a_new_curve() -> None:
    curves = CurvesSoFar()
    for step in (3, 3, 7, 2, 4):
        curves.hear(progress_of({"a": [0.5]}, step=step), "loss")
    assert curves.curves["a"]["loss"][0] == [2, 4]


def test_the_metric_that_decides_is_drawn_however_many_there_are() -> None:
    curves = CurvesSoFar()
    latest = {name: (1, [0.5]) for name in ("a", "b", "c", "d", "loss", "z")}
    curves.hear(progress_of({"a": [0.5]}, latest=latest), "z")
    assert len(curves.curves["a"]) == MOST_METRICS
    assert {"loss", "z"} <= curves.curves["a"].keys()


def test_runs_that_have_ended_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprun.runner.status.curves_so_far.MOST_RUNS", 1)
    curves = CurvesSoFar()
    both = progress_of({"a": [0.5], "b": [0.5]})
    curves.hear(both, "loss")
    assert list(curves.curves) == ["a"]
    curves.ended("a")
    curves.hear(progress_of({"b": [0.5]}), "loss")
    assert list(curves.curves) == ["b"]
