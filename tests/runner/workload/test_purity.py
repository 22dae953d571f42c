"""A component that changes the rows that it is given, or a parameter's shape, is an error with its place and cure."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.training import MakePlan
from torch import Tensor, nn
from xprun.plugins.datasets.table import Augmentation, Table
from xprun.plugins.registry import loss, metric, model, optimizer
from xprun.runner.execution.cohort_execution import execute
from xprun.runner.execution.worker_context import Context
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.augmentation import _AugmentedRows


def outcome_of(plan: MakePlan, text: str, *sets: str) -> Outcome:
    [[outcome]] = execute(plan(text, *sets).cohorts(set())[0], Context("cpu"))
    return outcome


def subtracts(prediction: Tensor, target: Tensor) -> Tensor:
    return prediction.sub_(target).square().mean()


def centres(prediction: Tensor, target: Tensor) -> Tensor:
    target -= target.mean()
    return (prediction - target).square().mean()


def clamps(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target.clamp_(0, 1)).square().mean()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (subtracts, "changes its predictions, which others measure, too, in place: compute with copies"),
        (centres, "changes its targets, which are the data's, in place: compute with copies"),
        (clamps, "changes its targets, which are the data's, in place: compute with copies"),
    ],
)
@pytest.mark.parametrize("kind", [loss, metric])
def test_a_loss_or_a_metric_that_changes_what_it_is_given_fails(
    function: Any, told: str, kind: Any, plan: MakePlan, line_spec: str
) -> None:
    kind("mine")(function)
    setting = "loss.name=mine" if kind is loss else "run.metrics=['mine']"
    outcome = outcome_of(plan, line_spec, setting)
    assert outcome.status == "failed"
    assert told in outcome.reason


class Scales(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x *= 2
        return self.last(x)  # type: ignore[no-any-return]


LAYERS = "model={{ name = 'layers', layers = [{}{{ name = 'Linear', in_features = 1, out_features = 1 }}] }}"


@pytest.mark.parametrize(
    ("setting", "cure"),
    [
        (LAYERS.format("{ name = 'Hardtanh', max_val = 0.5, inplace = true }, "), "write inplace = false for Hardtanh"),
        (
            LAYERS.format("{ name = 'Flatten' }, { name = 'Threshold', threshold = 1, value = 0, inplace = true }, "),
            "write inplace = false for Threshold",
        ),
        ("model={ name = 'scales' }", "compute with copies, as in x = x + 1"),
    ],
)
def test_a_model_that_changes_its_inputs_fails(setting: str, cure: str, plan: MakePlan, line_spec: str) -> None:
    model("scales")(Scales)
    outcome = outcome_of(plan, line_spec, setting)
    assert outcome.status == "failed"
    assert f"it changes its inputs in place, which are the data's: {cure}" in outcome.reason


@pytest.mark.parametrize(
    "setting", [LAYERS.format(""), LAYERS.format("{ name = 'Hardtanh' }, "), "run.metrics=['mae']"]
)
def test_what_changes_nothing_is_done(setting: str, plan: MakePlan, line_spec: str) -> None:
    assert outcome_of(plan, line_spec, setting).status == "done"


def test_a_transform_may_change_its_image(plan: MakePlan) -> None:
    rows = torch.ones(3, 1, 2, 2)
    table = Table(rows, torch.zeros(3), augmentation=Augmentation(rows, (lambda image: image.mul_(3),)))
    images = _AugmentedRows(table)
    for epoch in range(2):
        assert images.__getitems__([(0, epoch, 1)])[0].tolist() == [[[[3, 3], [3, 3]]]]
    assert (rows == 1).all()


def mean_step(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return (w - lr * g).mean()


def number(w: Tensor, g: Tensor, *, lr: float = 0.1) -> float:
    return lr


def first(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return (w - lr * g).reshape(-1)[:1]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (mean_step, "returns a w of the shape []"),
        (number, "returns a w that is a float"),
        (first, "returns a w of the shape [1]"),
    ],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_a_rule_whose_new_w_has_another_shape_fails(
    rule: Any, found: str, runs: int, plan: MakePlan, line_spec: str
) -> None:
    optimizer("mine")(rule)
    text = line_spec.replace('name = "linear"', 'name = "mlp"\nhidden = [3]')
    cohorts = plan(text, "optimizer.name=mine", f"run.seeds={runs}").cohorts(set())
    outcomes = [outcome for cohort in cohorts for part in execute(cohort, Context("cpu")) for outcome in part]
    assert {outcome.status for outcome in outcomes} == {"failed"}
    assert all(f"{found}; a new w has the shape of w, here [" in outcome.reason for outcome in outcomes)
