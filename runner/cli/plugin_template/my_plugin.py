"""Components for xprun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins import Decay, Positive, optimizer

if TYPE_CHECKING:
    from torch import Tensor


@optimizer("my_plugin.signum")
def signum(w: Tensor, g: Tensor, m: Tensor, *, lr: Positive = 0.01, momentum: Decay = 0.9) -> tuple[Tensor, Tensor]:
    """A step of the same length in every coordinate, by the sign of an averaged gradient (Bernstein et al., 2018)."""
    m = momentum * m + (1 - momentum) * g
    return w - lr * m.sign(), m
