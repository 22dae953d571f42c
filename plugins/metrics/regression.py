"""How far predictions are from real-valued targets of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.registry import metric

if TYPE_CHECKING:
    from torch import Tensor


@metric("mae", goal="min")
def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean absolute error, in units of the target."""
    return _error("mae", prediction, target).abs().mean()


@metric("rmse", goal="min")
def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """The root of the mean squared error, in units of the target."""
    return _error("rmse", prediction, target).square().mean().sqrt()


@metric("r2", goal="max")
def r2(prediction: Tensor, target: Tensor) -> Tensor:
    """The share of the targets' variance that is explained: 1 is perfect, 0 is no better than their mean.

    Of several outputs [N, k] it is the mean; it is not finite where a target does not vary.
    """
    left = _error("r2", prediction, target).square().sum(0)
    return (1 - left / (target - target.mean(0)).square().sum(0)).mean()


def _error(name: str, prediction: Tensor, target: Tensor) -> Tensor:
    """Return the error of each output; raise ValueError where a target would be compared with another's output."""
    if prediction.shape != target.shape:
        shapes = f"not outputs {[*prediction.shape]} and targets {[*target.shape]}"
        raise ValueError(f"{name} takes outputs and targets of one shape, {shapes}: it is for regression")
    return prediction - target
