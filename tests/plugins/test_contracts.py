"""A component that cannot do what its kind is for is refused when it is registered, with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn
from xprun.plugins.registry import REGISTRY, PluginError
from xprun.runner.resolve.build import build


class Score:
    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs().mean()


@pytest.mark.parametrize(
    ("kind", "thing", "wrong"),
    [
        ("loss", lambda prediction: prediction, r"takes \(prediction\): a loss is called with \(prediction, target\)"),
        ("loss", lambda a, b, c: a, r"takes \(a, b, c\): a loss is called with \(prediction, target\)"),
        ("metric", lambda target: target, r"a metric is called with \(prediction, target\)"),
        ("metric", Score, "is a class: write a function of prediction and target"),
        ("scheduler", lambda step, *, a=1.0: step, r"takes \(step\): a scheduler is called with \(lr, t, T\)"),
        ("init", lambda: None, r"takes \(\): an init is called with \(tensor\)"),
        ("data", lambda rows: rows, r"takes \(rows\): a data set is called with settings only, after a \*"),
        ("model", lambda x: x, r"takes \(x\): a model is called with \(x, y\)"),
        ("transform", lambda image, mean: image, r"a transform is called with \(image\)"),
    ],
)
def test_what_a_function_cannot_be_called_with_is_told(kind: str, thing: Any, wrong: str) -> None:
    with pytest.raises(PluginError, match=wrong):
        REGISTRY.decorator(kind)("mine.misfit")(thing)
    assert "mine.misfit" not in REGISTRY.names(kind)


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("loss", lambda prediction, target, scale=1.0: prediction),
        ("loss", lambda *both, power=2.0: both[0]),
        ("loss", nn.MSELoss),
        ("metric", lambda prediction, target, parameters: prediction),
        ("scheduler", lambda lr, t, T: lr),
        ("data", lambda *, rows=3: rows),
    ],
)
def test_what_fits_is_registered(kind: str, thing: Any) -> None:
    REGISTRY.decorator(kind)("mine.fits")(thing)
    assert REGISTRY.find(kind, "mine.fits").signature is thing


def test_all_that_is_built_in_fits() -> None:
    from xprun.plugins.contracts import misfit

    ours = [component for component in REGISTRY.components() if component.origin.source == "built-in"]
    assert {component.kind for component in ours} >= {"data", "loss", "metric", "model", "optimizer", "scheduler"}
    assert [wrong for component in ours if (wrong := misfit(component))] == []


class Net(nn.Module):
    def __init__(self, hidden: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(2, hidden)


class Fitted(nn.Module):
    def __init__(self, x: Tensor, y: Tensor, hidden: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(x.shape[1], hidden)


@pytest.mark.parametrize("cls", [Net, Fitted])
def test_a_model_may_be_a_class(cls: Any) -> None:
    import torch

    REGISTRY.decorator("model")("mine.net")(cls)
    assert list(REGISTRY.find("model", "mine.net").settings) == ["hidden"]
    made = build(REGISTRY, "model", "mine.net", {"hidden": 5}, torch.zeros(2, 2), torch.zeros(2))
    assert made.layer.weight.shape == (5, 2)
