"""A model as a list of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xprun.plugins.registry import model
from xprun.plugins.types import Layer

if TYPE_CHECKING:
    from torch import Tensor, nn


@model("layers")
def layers(x: Tensor, y: Tensor, *, layers: list[Layer]) -> nn.Module:
    """The layers, named `torch.nn` classes or registered ones, one after the other (`torch.nn.Sequential`)."""
    from torch import nn

    built: Any = layers  # the registry has built each item by now
    return nn.Sequential(*built)
