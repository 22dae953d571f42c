"""Numbers of a spec are rounded once, to the precision of the run: in double precision they are what is written."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.training import MakePlan
from torch import Tensor, nn
from xprun.plugins import Init, Vector, loss, metric, model
from xprun.plugins.registry import REGISTRY
from xprun.runner.workload.workload import Workload, make_workload

DOUBLE = "float64"
SPEC = """
data = { name = "digits" }
model = MODEL
loss = LOSS
optimizer = { name = "SGD", lr = 0.1 }
run = { epochs = 1, dtype = "DTYPE", metrics = [METRIC] }
"""
SOFTMAX, CROSS_ENTROPY = '{ name = "softmax" }', '{ name = "CrossEntropyLoss" }'
TENTHS = [round(0.1 * n, 1) for n in range(1, 11)]


def of(plan: MakePlan, *, dtype: str = DOUBLE, **sections: str) -> Workload:
    text = SPEC.replace("DTYPE", dtype).replace("METRIC", sections.get("metric", '"accuracy"'))
    text = text.replace("MODEL", sections.get("model", SOFTMAX)).replace("LOSS", sections.get("loss", CROSS_ENTROPY))
    return make_workload(REGISTRY, plan(text).runs[0], torch.device("cpu"))


def in_both(plan: MakePlan, **sections: str) -> list[tuple[Workload, torch.dtype]]:
    return [(of(plan, dtype=str(d).removeprefix("torch."), **sections), d) for d in (torch.float32, torch.float64)]


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"])
def test_weights_of_classes(name: str, plan: MakePlan) -> None:
    for work, dtype in in_both(plan, loss=f'{{ name = "{name}", weight = {TENTHS} }}'):
        criterion: Any = work.loss
        assert torch.equal(criterion.weight, torch.tensor(TENTHS, dtype=dtype))


def test_weights_of_a_binary_loss(plan: MakePlan) -> None:
    text = """
    data = { name = "breast_cancer" }
    model = { layers = [{ name = "Linear", in_features = 30, out_features = 1 }] }
    loss = { name = "BCEWithLogitsLoss", pos_weight = [0.3] }
    optimizer = { name = "SGD" }
    run = { epochs = 1, dtype = "float64" }
    """
    criterion: Any = make_workload(REGISTRY, plan(text).runs[0], torch.device("cpu")).loss
    assert criterion.pos_weight.item() == 0.3


def test_vectors_of_a_loss_and_a_metric_of_a_plugin(plan: MakePlan) -> None:
    got: dict[str, Tensor] = {}

    @loss("tilted")
    def tilted(prediction: Tensor, target: Tensor, *, quantiles: Vector) -> Tensor:
        """A loss with a list."""
        got["loss"] = quantiles
        return (prediction.mean() * quantiles).sum()

    @metric("binned", goal="max")
    def binned(prediction: Tensor, target: Tensor, *, thresholds: Vector) -> Tensor:
        """A metric with a list."""
        got["metric"] = thresholds
        return thresholds.sum()

    lists = {
        "loss": '{ name = "tilted", quantiles = [0.1, 0.7] }',
        "metric": '{ name = "binned", thresholds = [0.1, 0.7] }',
    }
    for work, dtype in in_both(plan, **lists):
        work.measure(work.make_model(0), {"train": work.train})
        for kind in ("loss", "metric"):
            assert torch.equal(got[kind], torch.tensor([0.1, 0.7], dtype=dtype)), kind


def test_vectors_of_a_model_and_of_what_it_is_made_of(plan: MakePlan) -> None:
    @model("with_priors")
    def with_priors(x: Tensor, y: Tensor, *, priors: Vector, fill: Init) -> nn.Module:
        """A model that starts at the classes' frequencies."""
        module = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), len(priors)))
        module[1].bias = nn.Parameter(priors.log())
        return module

    section = f'{{ name = "with_priors", priors = {TENTHS}, fill = {{ name = "constant_", val = 0.1 }} }}'
    for work, dtype in in_both(plan, model=section):
        bias = work.make_model(0).get_parameter("1.bias")
        assert torch.equal(bias, torch.tensor(TENTHS, dtype=dtype).log())


@pytest.mark.parametrize("value", [0.1, 1 / 3, -2.7])
def test_start_values_that_are_not_drawn(value: float, plan: MakePlan) -> None:
    init = f'{{ name = "softmax", init = {{ bias = {{ name = "constant_", val = {value!r} }} }} }}'
    for work, dtype in in_both(plan, model=init):
        assert torch.equal(work.make_model(0).get_parameter("1.bias"), torch.full((10,), value, dtype=dtype))


def test_what_is_drawn_is_the_same_in_either_precision(plan: MakePlan) -> None:
    init = '{ name = "softmax", init = { weight = { name = "normal_" }, bias = { name = "uniform_" } } }'
    single, double = (dict(work.make_model(3).named_parameters()) for work, _ in in_both(plan, model=init))
    assert all(torch.equal(single[name].double(), double[name]) for name in single)


@pytest.mark.parametrize(("w", "expected"), [("0.1", [0.1]), ("[0.3]", [0.3]), ("[0.7]", [0.7])])
def test_start_values_of_linear_regression(w: str, expected: list[float], plan: MakePlan) -> None:
    text = f"""
    data = {{ name = "line" }}
    model = {{ name = "linear", w = {w}, b = 0.2 }}
    loss = {{ name = "MSELoss" }}
    optimizer = {{ name = "SGD" }}
    run = {{ epochs = 1, dtype = "float64" }}
    """
    module = make_workload(REGISTRY, plan(text).runs[0], torch.device("cpu")).make_model(0)
    assert module.get_parameter("w").tolist() == expected
    assert module.get_parameter("b").tolist() == [0.2]


def test_start_values_fit_the_features(plan: MakePlan) -> None:
    text = """
    data = { name = "line" }
    model = { name = "linear", w = [0.1, 0.2] }
    loss = { name = "MSELoss" }
    optimizer = { name = "SGD" }
    run = { epochs = 1 }
    """
    with pytest.raises(ValueError, match="w has 2 values, but a row has 1 feature"):
        make_workload(REGISTRY, plan(text).runs[0], torch.device("cpu")).make_model(0)
