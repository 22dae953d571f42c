"""A loss that is a sum is told per row, too: of the rows of a step, of a part of the data, and in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from support.training import MakePlan, agree, all_together, each_alone
from xprun.plugins.registry import loss
from xprun.runner.results.outcome import Outcome

SPEC = """
data = { name = "line", samples = 50, batch_size = 8, valid = 0.2, test = 0.1 }
model = { name = "linear", w = 1.0 }
loss = { name = "MSELoss", reduction = "sum" }
optimizer = { name = "SGD", lr = { grid = [1e-3, 2e-3] } }
run = { epochs = 3, metrics = ["rmse"], dtype = "float64", save = "best" }
"""
ROWS = {"train": 35, "valid": 10, "test": 5}
PER_ROW = "loss_per_row"


def agree_with_means(outcome: Outcome, steps: list[float]) -> None:
    """See that the loss per row is the mean squared error, of which the loss is the sum."""
    history = outcome.history
    np.testing.assert_allclose(history[PER_ROW].values * steps, history["loss"].values, rtol=1e-12)
    for split, rows in ROWS.items():
        squares = history[f"{split}.rmse"].values ** 2
        np.testing.assert_allclose(history[f"{split}.{PER_ROW}"].values, squares, rtol=1e-12)
        np.testing.assert_allclose(history[f"{split}.loss"].values, rows * squares, rtol=1e-12)


def test_a_sum_is_told_for_the_rows_that_it_is_of(plan: MakePlan) -> None:
    runs = plan(SPEC).runs
    expected = each_alone(runs)
    agree(all_together(runs), expected)
    agree(all_together(runs, "traced"), expected)
    for outcome in expected.values():
        agree_with_means(outcome, [8, 8, 8, 8, 3] * 3)
        assert outcome.kept[f"test.{PER_ROW}"] == pytest.approx(outcome.kept["test.rmse"] ** 2, rel=1e-12)


def test_a_step_of_several_batches_is_told_for_the_rows_of_one(plan: MakePlan) -> None:
    for outcome in each_alone(plan(SPEC, "run.accumulate=2").runs).values():
        agree_with_means(outcome, [8, 8, 3] * 3)
    for outcome in each_alone(plan(SPEC, 'data.batch_size="full"').runs).values():
        agree_with_means(outcome, [35] * 3)


def test_averages_over_batches_weigh_their_rows(plan: MakePlan) -> None:
    for outcome in each_alone(plan(SPEC, 'run.measure_train="running"').runs).values():
        losses = outcome.history["loss"].values.reshape(3, 5)
        np.testing.assert_allclose(outcome.history[f"train.{PER_ROW}"].values, losses.sum(1) / 35, rtol=1e-12)


def test_rules_and_comparisons_know_it(plan: MakePlan) -> None:
    made = plan(
        SPEC,
        f"compare.metric=valid.{PER_ROW}",
        "run.stop={ patience = { evaluations = 1, metric = 'valid.loss_per_row' } }",
    )
    assert f"final.valid.{PER_ROW}" in [column.name for column in made.schema.columns]
    assert all(outcome.ended_well for outcome in each_alone(made.runs).values())


def test_the_textbooks_half_of_the_square_is_a_sum_and_a_mean_is_none(plan: MakePlan) -> None:
    assert f"train.{PER_ROW}" in plan(SPEC, "loss={ name = 'squared' }").goals
    made = plan(SPEC, "loss.reduction=mean")
    assert not [name for name in made.goals if PER_ROW in name]
    assert not [name for o in each_alone(made.runs).values() for name in o.history if PER_ROW in name]


def test_a_loss_of_the_users_says_so(plan: MakePlan) -> None:
    @loss("my.total", sums=True)
    def total(prediction, target):  # type: ignore[no-untyped-def]
        return (prediction - target).square().sum()

    for outcome in each_alone(plan(SPEC, "loss={ name = 'my.total' }").runs).values():
        agree_with_means(outcome, [8, 8, 8, 8, 3] * 3)
