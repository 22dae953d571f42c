"""Update rules seen through their signature: what a rule is called with, whatever its tensors are made by."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xprun.errors import Error

# Positional parameters with a fixed meaning; all others are state tensors.
GIVEN = ("w", "g", "t", "n", "T", "loss", "name")


class UpdateRuleError(Error):
    """An update rule does not return what its signature asks for."""


@dataclass(frozen=True)
class RuleCall:
    """An update rule `function(w, g, *state, **settings) -> new w, *new state` with its positional parameters."""

    function: Callable[..., Any]
    positions: tuple[str, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """The names of its states, which have the shape of the parameter and start at zero."""
        return tuple(name for name in self.positions if name not in GIVEN)

    @property
    def asks_for_loss(self) -> bool:
        return "loss" in self.positions

    def update(
        self,
        w: Any,
        g: Any,
        states: tuple[Any, ...],
        t: Any,
        n: Any,
        settings: dict[str, Any],
        **others: Any,
    ) -> tuple[Any, tuple[Any, ...]]:
        """Return the new parameter and the new state tensors, for step `t` from 1 and a batch of `n` rows.

        `others` are what else the rule may ask for by name: `T`, the steps in all, `loss`, that of the batch, and
        `name`, the parameter's. Raises UpdateRuleError where the rule returns another number of tensors than its
        signature asks for, or a w of another shape.
        """
        given = {"w": w, "g": g, "t": t, "n": n, **others}
        rest = iter(states)
        arguments = [given[name] if name in given else next(rest) for name in self.positions]
        result = self.function(*arguments, **settings)
        if not isinstance(result, tuple):
            result = (result,)
        if len(result) != 1 + len(states):
            raise UpdateRuleError(self._miscount(len(result)))
        if getattr(result[0], "shape", None) != w.shape:
            raise UpdateRuleError(self._misshape(result[0], w))
        return result[0], result[1:]

    @property
    def _described(self) -> str:
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        place = f" ({Path(code.co_filename).name}:{code.co_firstlineno})" if code else ""
        return f"{getattr(self.function, '__name__', 'the rule')}{place}"

    def _miscount(self, returned: int) -> str:
        asked = ("w", *self.states)
        returns = f"{returned} {'value' if returned == 1 else 'values'}"
        return f"{self._described} returns {returns}; its signature asks for {len(asked)}: {', '.join(asked)}"

    def _misshape(self, new: Any, w: Any) -> str:
        is_tensor = hasattr(new, "shape")
        found = f"of the shape {[*new.shape]}" if is_tensor else f"that is a {type(new).__name__}"
        return f"{self._described} returns a w {found}; a new w has the shape of w, here {[*w.shape]}"
