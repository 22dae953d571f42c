"""A setting of which each run has a number of its own, in arithmetic that rounds as it does with a plain number.

What a rule makes of its settings, and of the number of the step, is done in double precision, and rounded where it
meets a parameter: so does Python with the numbers of a lone run, and torch where it multiplies a tensor by one. A run
then trains to the same bits whether its companions share a setting with it or not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from xprun.plugins.double_precision import has_double

Function = Callable[[Any, Any], Any]


def doubles_on(device: torch.device) -> torch.device:
    """Return where numbers in double precision are kept for a device, which may have none."""
    return device if has_double(device.type) else torch.device("cpu")


class PerRun:
    """The numbers of a setting in place of a plain one: `values` broadcast against parameters, in double precision.

    Between such numbers and plain ones, the result is again one; so are conditions, whose values are true or false.
    With a tensor of parameters it is a tensor of their type. It is no subclass of Tensor, since compilers trace these.
    """

    __slots__ = ("_seen", "values")
    __hash__ = None  # type: ignore[assignment]  # == compares the numbers

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self._seen: Tensor | None = None  # as parameters have met them last

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch with the numbers, of the type of the parameters that it is about."""
        given = [*args, *(kwargs or {}).values()]
        like = next((one for one in given if isinstance(one, Tensor) and one.is_floating_point()), None)

        def seen(one: Any) -> Any:
            if not isinstance(one, PerRun):
                return one
            return one.values if like is None else one.like(like)

        result = function(*map(seen, args), **{name: seen(one) for name, one in (kwargs or {}).items()})
        return PerRun(result) if like is None and isinstance(result, Tensor) else result

    def like(self, parameter: Tensor) -> Tensor:
        """Return the numbers as a tensor of a parameter's type, on its device; conditions stay conditions."""
        if self.values.dtype == torch.bool:
            return self.values.to(parameter.device)
        if self._seen is None or self._seen.dtype != parameter.dtype:
            self._seen = self.values.to(parameter.dtype).to(parameter.device)  # in this order: it may have no doubles
        return self._seen

    def _with(self, other: Any, function: Function) -> Any:
        """Return what a function makes of these numbers and others, of parameters, or of one."""
        if isinstance(other, float):
            return PerRun(function(_double(self), other))
        if isinstance(other, Tensor) and other.is_floating_point():
            return function(self.like(other), other)
        return PerRun(function(_double(self), _double(other)))

    def _after(self, other: Any, function: Function) -> Any:
        """Return what a function makes of others, or of one, and of these numbers."""
        return self._with(other, lambda own, first: function(first, own))

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._after(other, operator.add)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._after(other, operator.sub)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    def __rmul__(self, other: Any) -> Any:
        return self._after(other, operator.mul)

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Tensor) and other.is_floating_point():
            return other.reciprocal() * self.like(other)  # as torch divides a plain number by a tensor
        return self._with(other, operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return self._after(other, operator.truediv)

    def __pow__(self, other: Any) -> Any:
        return self._with(other, operator.pow)

    def __rpow__(self, other: Any) -> Any:
        return self._after(other, operator.pow)

    def __neg__(self) -> PerRun:
        return PerRun(-_double(self))

    def __abs__(self) -> PerRun:
        return PerRun(abs(_double(self)))

    def __lt__(self, other: Any) -> Any:
        return self._with(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._with(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._with(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._with(other, operator.ge)

    def __eq__(self, other: object) -> Any:
        return self._with(other, operator.eq)

    def __ne__(self, other: object) -> Any:
        return self._with(other, operator.ne)

    def __and__(self, other: Any) -> Any:
        return PerRun(self.values & _raw(other))

    def __or__(self, other: Any) -> Any:
        return PerRun(self.values | _raw(other))

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> PerRun:
        return PerRun(~self.values)

    def __bool__(self) -> bool:
        raise TypeError("a setting of which each run has its own number is neither true nor false")

    def __float__(self) -> float:
        raise TypeError("a setting of which each run has its own number is not one number")


def _raw(value: Any) -> Any:
    return value.values if isinstance(value, PerRun) else value


def _double(value: Any) -> Any:
    """Return numbers in double precision; conditions are 0 and 1."""
    found = _raw(value)
    return found.double() if isinstance(found, Tensor) and found.dtype != torch.float64 else found
