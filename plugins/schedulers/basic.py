"""The schedules that have no class in torch."""

from __future__ import annotations

import math

from xprun.plugins.registry import scheduler
from xprun.plugins.types import Fraction, NonNegativeInt


@scheduler("constant")
def constant(lr: float, t: int, T: int) -> float:
    """A constant learning rate, to compare other schedulers with."""
    return lr


@scheduler("warmup_cosine")
def warmup_cosine(lr: float, t: int, T: int, *, warmup: NonNegativeInt, final: Fraction = 0.0) -> float:
    """Up a straight line for `warmup` epochs or steps, then half a cosine down towards the share `final` of the rate.

    The cosine ends with the run. Goyal et al., "Accurate, large minibatch SGD" (2017); Loshchilov and Hutter, "SGDR"
    (2017).
    """
    if warmup >= T:
        raise ValueError(f"warmup = {warmup} takes up the whole run, which has {T}")
    if t < warmup:
        return lr * (t + 1) / warmup
    return lr * (final + (1 - final) * (1 + math.cos(math.pi * (t - warmup) / (T - warmup))) / 2)
