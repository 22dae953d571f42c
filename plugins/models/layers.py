"""A model as a list of layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from xprun.plugins.blame import Inside, blaming, failed_layer
from xprun.plugins.registry import layer, model
from xprun.plugins.tensor_groups import Tensors, call
from xprun.plugins.types import Layers

if TYPE_CHECKING:
    from torch import Tensor, nn

Maker = Callable[[], "nn.Module"]


@model("layers")
def layers(x: Tensor, y: Tensor, *, layers: Layers) -> nn.Module:
    """The layers, named `torch.nn` classes or registered ones, one after the other (`torch.nn.Sequential`).

    A layer's size of inputs (`in_features`, `in_channels`, `num_features`) may be left out: it is what the layer
    before gives, and the parameters start as they do where the size is written.
    """
    makers: Any = layers  # functions that make a layer
    return _LayerBuilder(x).chain(makers)


@layer("Sequential")
def sequential(*, layers: Layers) -> nn.Module:
    """Layers one after the other, as a layer: their parameters are named after their place in it (`2.0.weight`)."""
    from torch import nn

    makers: Any = layers
    return nn.Sequential(*(make() for make in makers))


class _LayerBuilder:
    """Makes layers in turn, each when those before it have drawn their parameters.

    A lazy one is shown the rows `x` [B, ...] as the layers before it pass them on, which draws its parameters.
    """

    def __init__(self, x: Tensors) -> None:
        self.x: Any = x
        self.waiting: list[tuple[nn.Module, Inside]] = []  # which x has not passed through, and where they stand

    def chain(self, makers: list[Maker], place: Inside = ()) -> nn.Module:
        from torch import nn

        return nn.Sequential(*(self.make(maker, (*place, "layers", i)) for i, maker in enumerate(makers)))

    def make(self, maker: Maker, place: Inside) -> nn.Module:
        from torch.nn.modules.lazy import LazyModuleMixin

        if getattr(maker, "func", None) is sequential:
            inner: Any = maker
            return self.chain(inner.keywords["layers"], place)
        made = maker()
        self.waiting.append((made, place))
        if isinstance(made, LazyModuleMixin):
            self._catch_up()
        return made

    def _catch_up(self) -> None:
        """Pass x through the layers that wait."""
        import torch

        with torch.no_grad():
            for part, place in self.waiting:
                with blaming("model", partial(failed_layer, part, self.x), *place):
                    self.x = call(part.eval(), self.x)  # in evaluation, no layer draws at random or counts its rows
                part.train()
        self.waiting.clear()
