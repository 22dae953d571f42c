"""How many processes share the runs: what they save, less what each does again and takes from the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cohorts import DATA, SGD, Cohort, points
from support.training import MakePlan
from xprun.plugins.registry import data
from xprun.runner.engine.evaluation_time import evaluation_seconds
from xprun.runner.engine.execution_units import select_strategy
from xprun.runner.execution import cost_estimate
from xprun.runner.execution.cost_estimate import CROWDED, Cost, best_workers, estimate, seconds_with
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort as Runs

ALONE = {"start": 1.5, "training": 16.0, "evaluation": 8.0, "crowded": 16.0}


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_estimate, "usable_cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    ("more", "workers"),
    [
        ({}, 2),
        ({"training": 2.0, "crowded": 2.0}, 2),  # the evaluations are worth it
        ({"training": 0.5, "evaluation": 0.5, "crowded": 0.5, "start": 0.1}, 1),  # too little to think of it
        ({"start": 30.0}, 1),  # what is saved is spent on making the data again
        ({"crowded": 32.0, "evaluation": 0.0}, 1),  # one process has both cores at work already
        ({"together": True, "fixed": 0.95, "evaluation": 0.0}, 1),  # steps of fewer runs take as long
        ({"together": True, "fixed": 0.1}, 2),
        ({"together": True, "training": 4.0, "crowded": 4.0, "evaluation": 4.0}, 1),
        ({"runs": 1}, 1),
    ],
)
def test_there_are_several_where_they_are_a_sure_gain(more: dict[str, Any], workers: int) -> None:
    assert best_workers([Cost(**{"runs": 4, **ALONE, **more})], ["cpu"]) == workers


@pytest.mark.usefixtures("two_cores")
def test_a_device_that_is_one_is_not_shared() -> None:
    assert best_workers([Cost(4, **ALONE)], ["cuda:0"]) == 1


def test_parts_go_to_the_process_that_is_free_first() -> None:
    cost = Cost(3, **ALONE)
    whole = CROWDED * (cost.crowded + cost.evaluation)
    assert seconds_with(1, [cost]) == 24.0  # it has been looked at, so that it is there
    assert seconds_with(2, [cost]) == pytest.approx(whole * 2 / 3, rel=0.01)  # three runs, of which one process has two
    assert seconds_with(3, [cost]) == pytest.approx(cost.start + whole / 3, rel=0.02)


def test_a_part_of_runs_that_train_together_costs_more_than_its_share() -> None:
    cost = Cost(8, training=10.0, crowded=10.0, fixed=0.5)
    assert cost.part(4) == pytest.approx(CROWDED * 7.5)


def test_an_estimate_has_the_evaluations_and_what_is_measured_at_the_end(
    plan: MakePlan, _registry_as_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data("points")(points)
    monkeypatch.setattr("xprun.runner.engine.evaluation_time._seconds", lambda training: 1.0)

    def seconds(**run: Any) -> float:
        rows = DATA | {"test": 0.2, "valid": 0.2}  # 12, 4 and 4 rows
        cohort = Cohort(plan, data=rows, optimizer=SGD, run={"epochs": 5, "engine": "alone", **run})
        return sum(evaluation_seconds(cohort.work, unit, 10) for unit in select_strategy(cohort.work, cohort.runs))

    each = 1 / 20  # second a row, of a trial on all 20
    assert seconds(metrics=["accuracy"]) == pytest.approx(3 * each * (6 * 16 + 4))  # the untrained model, and 5 epochs
    assert seconds(metrics=["accuracy"], evaluate_every=2) == pytest.approx(3 * each * (4 * 16 + 4))
    assert seconds(metrics=["accuracy"], measure_test="each") == pytest.approx(3 * each * 6 * 20)
    assert seconds(metrics=["accuracy", "confusion"]) == pytest.approx(3 * each * (6 * 16 + 4 + 20))
    assert seconds(metrics=["accuracy"], measure_train="none") == pytest.approx(3 / 8 * (6 * 4 + 4))


def test_what_a_cohort_takes_is_told_in_its_parts(plan: MakePlan, write: Callable[..., Path]) -> None:
    [cohort] = plan(
        'data = { name = "digits", valid = 0.2, batch_size = 64 }\nmodel = { name = "softmax" }\n'
        'loss = { name = "CrossEntropyLoss" }\noptimizer = { name = "SGD", lr = { grid = [0.1, 0.3] } }\n'
        'run = { epochs = 2, metrics = ["accuracy"], engine = "alone" }'
    ).cohorts(set())
    cost = estimate(Runs(cohort.runs), Context("cpu")).cost
    assert (cost.runs, cost.together, cost.fixed) == (2, False, 0.0)
    assert min(cost.start, cost.training, cost.evaluation) > 0
    assert cost.of_runs(4).whole == pytest.approx(2 * cost.whole)
