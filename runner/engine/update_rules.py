"""Update rules seen from the loops: what a rule's parameters are, and whether it works on each element by itself."""

from __future__ import annotations

import builtins
import dis
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from xprun.plugins.rule_calls import RuleCall
from xprun.plugins.signature import positional_names, read_settings


@dataclass(frozen=True)
class Rule(RuleCall):
    """An update rule on tensors of torch.

    `elementwise` tells that each element of the result depends on the same elements of the inputs alone, so that
    the rule may be applied to all parameters of a model as one vector.
    """

    elementwise: bool

    def try_steps(self, parameters: dict[str, Tensor], settings: dict[str, Any]) -> None:
        """Take two steps with gradients of one, for whatever these raise."""
        for name, w in parameters.items():
            states = tuple(torch.zeros_like(w) for _ in self.states)
            for t in (1, 2):
                others = {"T": 2, "loss": torch.ones((), dtype=w.dtype, device=w.device), "name": name}
                w, states = self.update(w, torch.ones_like(w), states, t, 1, settings, **others)


def own_memory(states: tuple[Tensor, ...], *others: Tensor) -> tuple[Tensor, ...]:
    """Return the states, copied where a rule hands back a parameter or gradient, whose memory is used again."""
    taken = {other.data_ptr() for other in others}
    return tuple(state.clone() if state.data_ptr() in taken else state for state in states)


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


# Functions of torch that compute each element from the same elements of their arguments, as the operators name them.
_NAMES = """
    abs absolute add addcdiv addcmul arctan atan bitwise_and bitwise_not bitwise_or ceil clamp clamp_max clamp_min
    clip clone copysign cos cosh detach div divide eq erf exp exp2 expm1 floor fmax fmin full_like ge gt hypot
    isfinite isnan le lerp log log10 log1p log2 logical_and logical_not logical_or lt masked_fill maximum minimum
    mul multiply nan_to_num ne neg negative ones_like pow reciprocal relu round rsqrt rsub sigmoid sign sgn sin sinh
    softplus sqrt square sub subtract tan tanh true_divide trunc where xlogy zeros_like __and__ __invert__ __or__
    __radd__ __rdiv__ __rmul__ __rpow__ __rsub__ __rtruediv__
"""
POINTWISE = frozenset(_NAMES.split())


class _Watch(TorchFunctionMode):
    """Notes whether only pointwise functions are called; asking for a shape is a call, too."""

    pointwise = True

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.pointwise &= getattr(function, "__name__", "") in POINTWISE
        return function(*args, **(kwargs or {}))


def _is_elementwise(rule: Rule) -> bool:
    """Whether the rule does pointwise operations only and asks for no shape.

    It is watched with some settings, and its code is searched for what it may do with others. One that asks for the
    name of a parameter is given each by itself.
    """
    if "name" in rule.positions or not _names_only_pointwise(rule.function):
        return False
    settings = {name: s.example for name, s in read_settings(rule.function).items()}
    w, g = torch.linspace(-1, 1, 6).view(2, 3), torch.linspace(0.5, 1, 6).view(2, 3)
    states, loss = tuple(torch.zeros(2, 3) for _ in rule.states), torch.ones(())
    watch = _Watch()

    def watched(*arguments: Any, **own: Any) -> Any:
        with watch:
            return rule.function(*arguments, **own)

    try:
        for t in (1, 2):
            Rule(watched, rule.positions, elementwise=False).update(w, g, states, t, 1, settings, T=2, loss=loss)
    except Exception:
        return False  # it cannot be told with these settings; the safe way is always open
    return bool(watch.pointwise)


# Why byte codes, and not a recording of the calls alone, with `torch.Tag.pointwise` of what is called. A recording
# sees one path: t and settings are plain numbers, so that nobody hears of `if t > 10: w = w / w.norm()`. With tensors
# in their place, make_fx imports torch._dynamo (1.6 s) and breaks at `math.sqrt(1 - beta**t)`. Nor do tags tell it by
# name: `equal` and an overload of `max` have it, and look at all elements; `subtract`, `divide` and `zeros_like` have
# it not. Nor the source text: a file may have been edited since it was imported.
# A code that is not listed, as one of a later Python, makes a rule one that is applied to each parameter by itself.
_CODES = """
    BINARY_OP BUILD_TUPLE CACHE CALL CALL_FUNCTION_EX CALL_KW COMPARE_OP COPY EXTENDED_ARG IS_OP KW_NAMES LOAD_CONST
    LOAD_SMALL_INT NOP NOT_TAKEN PRECALL PUSH_NULL RESUME SWAP TO_BOOL UNPACK_SEQUENCE
"""
CODES = frozenset(_CODES.split())
FAMILIES_OF_CODES = ("JUMP_", "LOAD_FAST", "POP_", "RETURN_", "STORE_FAST", "UNARY_")
# What a pointwise rule may ask of a tensor beside POINTWISE, and what it may call beside functions that are pointwise.
HARMLESS = {"to", "cpu", "double", "float64", "dtype", "device", "type"}
PLAIN = (bool, int, float, isinstance, abs, torch, math)


def _names_only_pointwise(function: Callable[..., Any], seen: frozenset[Any] = frozenset()) -> bool:
    """Whether the code of a function, and of the functions it calls, can do nothing but pointwise operations."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_freevars or hasattr(function, "__wrapped__"):
        return False
    if code in seen:
        return True
    names = {**vars(builtins), **getattr(function, "__globals__", {})}
    return all(_is_pointwise(instruction, names, seen | {code}) for instruction in dis.get_instructions(code))


def _is_pointwise(instruction: dis.Instruction, names: dict[str, Any], seen: frozenset[Any]) -> bool:
    """Whether an instruction neither looks into a tensor, nor multiplies matrices, nor calls what may do so."""
    kind, name = instruction.opname, instruction.argval
    if kind == "LOAD_GLOBAL":
        value = names.get(name)
        of_torch = name in POINTWISE and value is getattr(torch, name, None)
        plain = isinstance(value, int | float) or any(value is one for one in PLAIN)
        return plain or of_torch or (inspect.isfunction(value) and _names_only_pointwise(value, seen))
    if kind in ("LOAD_ATTR", "LOAD_METHOD"):
        return name in POINTWISE | HARMLESS
    matrix_or_item = kind == "BINARY_OP" and instruction.argrepr.startswith(("@", "["))
    return (kind in CODES or kind.startswith(FAMILIES_OF_CODES)) and not matrix_or_item
