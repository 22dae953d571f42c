"""What stands in a spec for the data and the loss of an objective, and how far it is from its minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data, loss, metric

if TYPE_CHECKING:
    from torch import Tensor


@data("objective")
def no_rows() -> Table:
    """No rows: an objective brings what it is measured on, and its noise. No spec writes it.

    Raises ValueError with any other model.
    """
    raise ValueError("these are the data of an objective: name another data set")


@loss("objective")
def own_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """The loss that an objective puts out itself. No spec writes it."""
    return prediction.mean()


@metric("suboptimality")
def suboptimality(prediction: Tensor, target: Tensor) -> Tensor:
    """How far the loss of an objective, without its noise, is above the least there is. It is always measured."""
    return (prediction.squeeze(-1) - target).mean()
