"""Tells whether an update rule is made of operators only, which the tensors of every framework have."""

from __future__ import annotations

from typing import Any

from xprun.plugins.error_words import words_of
from xprun.plugins.rule_calls import RuleCall

BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "pow",
    "radd",
    "rsub",
    "rmul",
    "rtruediv",
    "rpow",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
]
UNARY = ["neg", "pos", "abs"]
OPERATORS = "+ - * / **, abs() and comparisons"


class AnyTensor:
    """Stands for a tensor of any framework: operators are all that can be done with it."""

    shape = ()
    __hash__ = None  # type: ignore[assignment]  # == compares the numbers

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"it uses .{name} of a tensor")

    def __bool__(self) -> bool:
        raise TypeError("it asks whether a tensor is true")

    def __float__(self) -> float:
        raise TypeError("it makes a number of a tensor")

    __int__ = __index__ = __float__


def _same(self: AnyTensor, *others: Any) -> AnyTensor:
    return self


for _name in (*BINARY, *UNARY):
    setattr(AnyTensor, f"__{_name}__", _same)


def other_than_operators(rule: RuleCall, settings: dict[str, Any]) -> str:
    """Return what a rule does with tensors beside operators, or nothing; it takes one step with its settings."""
    one = AnyTensor()
    others = {"T": 2, "loss": one, "name": "weight"}
    try:
        rule.update(one, one, tuple(one for _ in rule.states), one, one, settings, **others)
    except Exception as error:  # whatever a function raises for what is no tensor that it knows
        return words_of(error)
    return ""
