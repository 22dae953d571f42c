"""Update rules seen from the loops: what a rule's parameters are, and whether it works on each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from xprun.plugins.signature import positional_names, read_settings

GIVEN = ("w", "g", "t", "n")  # positional parameters with a fixed meaning; all others are state tensors


@dataclass(frozen=True)
class Rule:
    """An update rule `function(w, g, *state, **settings) -> new w, *new state`, seen through its signature.

    `elementwise` tells that each element of the result depends on the same elements of the inputs alone, so that
    the rule may be applied to all parameters of a model as one vector.
    """

    function: Callable[..., Any]
    positions: tuple[str, ...]
    elementwise: bool

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(name for name in self.positions if name not in GIVEN)

    def update(
        self, w: Tensor, g: Tensor, states: tuple[Tensor, ...], t: Any, n: Any, settings: dict[str, Any]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the new parameter and the new state tensors."""
        given = {"w": w, "g": g, "t": t, "n": n}
        rest = iter(states)
        arguments = [given[name] if name in given else next(rest) for name in self.positions]
        result = self.function(*arguments, **settings)
        if isinstance(result, tuple):
            return result[0], result[1:]
        return result, ()


@cache
def read_rule(function: Callable[..., Any]) -> Rule:
    """Return the rule that a function is.

    Raises TypeError when its signature or what it returns is not that of a rule.
    """
    positions = positional_names(function)
    if positions[:2] != ("w", "g"):
        raise TypeError(f"an update rule takes w and g first, not ({', '.join(positions)})")
    rule = Rule(function, positions, elementwise=False)
    return Rule(function, positions, elementwise=_is_elementwise(rule))


class _Watch(TorchDispatchMode):
    """Notes whether every tensor operation is pointwise."""

    HARMLESS = ("zeros_like", "ones_like", "full_like", "empty_like", "lift_fresh", "detach", "alias", "_to_copy")

    pointwise = True

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        harmless = function.overloadpacket.__name__ in self.HARMLESS
        self.pointwise &= harmless or torch.Tag.pointwise in function.tags
        return function(*args, **(kwargs or {}))


class _ShapeWatch(TorchFunctionMode):
    """Notes whether the shape of a tensor was asked for."""

    SHAPE = ("__len__", "numel", "nelement", "dim", "ndimension", "size", "stride")

    blind = True

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        self.blind &= name not in (*self.SHAPE, "__get__")
        return function(*args, **(kwargs or {}))


def _is_elementwise(rule: Rule) -> bool:
    """Whether the rule, with its default settings, does pointwise operations only and asks for no shape."""
    settings = {name: s.default for name, s in read_settings(rule.function).items() if not s.required}
    w, g = torch.linspace(-1, 1, 6).view(2, 3), torch.linspace(0.5, 1, 6).view(2, 3)
    states = tuple(torch.zeros(2, 3) for _ in rule.states)
    try:
        with _ShapeWatch() as shape, _Watch() as watch, torch.no_grad():  # type: ignore[no-untyped-call]
            for t in (1, 2):
                rule.update(w, g, states, t, 1, settings)
    except Exception:
        return False  # it needs settings without a default, say; the safe way is always open
    return bool(watch.pointwise and shape.blind)
