"""Update rules with a known weakness, which the tasks have to tell from the right ones."""

from __future__ import annotations

from torch import Tensor
from xprun.plugins import Decay, NonNegative, Positive, optimizer


@optimizer("truth.sign")
def sign(w: Tensor, g: Tensor, *, lr: Positive = 0.01) -> Tensor:
    """Steps of one size: the sign of the gradient alone."""
    return w - lr * g.sign()


@optimizer("truth.uncorrected")
def uncorrected(
    w: Tensor, g: Tensor, m: Tensor, v: Tensor, *, lr: Positive = 1e-3, b1: Decay = 0.9, b2: Decay = 0.999
) -> tuple[Tensor, ...]:
    """Adam whose bias correction was left out."""
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    return w - lr * m / (v.sqrt() + 1e-8), m, v


@optimizer("truth.coupled")
def coupled(
    w: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    t: Tensor,
    *,
    lr: Positive = 1e-3,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    weight_decay: NonNegative = 0.01,
) -> tuple[Tensor, ...]:
    """AdamW whose decay was added to the gradient."""
    g = g + weight_decay * w
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    return w - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + 1e-8), m, v
