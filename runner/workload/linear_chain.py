"""Reads a model that is a chain of Linear layers and activations, whatever it is made of."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from xprun.plugins.models.modules import LinearRegression


@dataclass(frozen=True)
class Layer:
    """One Linear layer: its block of the flat parameter vector, and the activation after it (None at the end)."""

    weight: str
    bias: str | None
    outputs: int
    inputs: int
    offset: int
    activation: type[nn.Module] | None

    @property
    def columns(self) -> int:
        return self.inputs + (self.bias is not None)

    @property
    def size(self) -> int:
        return self.outputs * self.columns


def read_layers(module: nn.Module, activations: Container[type[nn.Module]]) -> list[Layer] | str:
    """Return the chain of Linear layers with such activations that a module is, or why it is none."""
    if any(_has_hooks(part) for part in module.modules()):
        return "a module has hooks"
    if not all(p.requires_grad for p in module.parameters()):
        return "some of its parameters are frozen"
    if type(module) is LinearRegression:
        return [Layer("w", "b", 1, module.w.numel(), 0, None)]
    found: list[Layer] = []
    offset, pending = 0, None
    for name, part in _parts(module):
        kind = type(part)
        if kind is nn.Linear:
            if found and pending is None:
                return "two Linear layers without an activation between them"
            if found:
                found[-1] = _with_activation(found[-1], pending)
            bias = f"{name}bias" if part.bias is not None else None
            found.append(Layer(f"{name}weight", bias, part.out_features, part.in_features, offset, None))
            offset, pending = offset + found[-1].size, None
        elif kind in activations and found and pending is None:
            pending = kind
        elif not (kind is nn.Flatten and not found and (part.start_dim, part.end_dim) == (1, -1)):
            return f"it is not a chain of Linear layers and activations ({kind.__name__})"
    if not found or pending is not None:
        return "it does not end in a Linear layer"
    if len(dict(module.named_parameters())) != sum(1 + (layer.bias is not None) for layer in found):
        return "its layers share weights"
    return found


def _has_hooks(module: nn.Module) -> bool:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind) for kind in kinds) or nn.utils.parametrize.is_parametrized(module)


def _parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested Sequentials with the prefix of their parameters' names."""
    if type(module) is nn.Sequential:
        for name, part in module._modules.items():  # named_children leaves out a module that is there twice
            yield from _parts(part, f"{prefix}{name}.")
    else:
        yield prefix, module


def _with_activation(layer: Layer, activation: Any) -> Layer:
    return Layer(layer.weight, layer.bias, layer.outputs, layer.inputs, layer.offset, activation)
