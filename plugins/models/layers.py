"""A model as a list of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from xprun.plugins.registry import model
from xprun.plugins.types import Layer

if TYPE_CHECKING:
    from torch import Tensor, nn


@model("layers")
def layers(x: Tensor, y: Tensor, *, layers: list[Layer]) -> nn.Module:
    """The layers, named `torch.nn` classes or registered ones, one after the other (`torch.nn.Sequential`).

    A layer's size of inputs (`in_features`, `in_channels`, `num_features`) may be left out: it is what the layer
    before gives, and the parameters start as they do where the size is written.
    """
    from torch import nn

    makers: Any = layers  # functions that make a layer
    return nn.Sequential(*made_in_turn(makers, x))


def made_in_turn(makers: list[Callable[[], nn.Module]], x: Tensor) -> Iterator[nn.Module]:
    """Yield the layers, each made when those before it have drawn their parameters.

    A lazy one is shown the rows `x` [B, ...] as the layers before it pass them on, which draws its parameters.
    """
    import torch
    from torch.nn.modules.lazy import LazyModuleMixin

    waiting: list[nn.Module] = []
    for make in makers:
        layer = make()
        waiting.append(layer)
        if isinstance(layer, LazyModuleMixin):
            with torch.no_grad():
                for part in waiting:
                    x = part.eval()(x)  # in evaluation, no layer draws at random or counts its rows
                    part.train()
            waiting.clear()
        yield layer
