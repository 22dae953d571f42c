"""Outcomes that differ from one another, for stores that are damaged."""

from __future__ import annotations

import numpy as np
from xprun.runner.results.outcome import Outcome, Series


def outcome(number: int) -> Outcome:
    """Return an outcome that differs from every other one, with a history long enough to spill over a page or not."""
    generator = np.random.default_rng(number)
    steps = np.arange(1, 1 + (700 if number % 9 == 0 else 12))
    history = {name: Series(steps, generator.normal(size=len(steps))) for name in ("loss", "valid.loss")}
    status = "failed" if number % 10 == 0 else "done"
    return Outcome(f"{number * 0x3F1D59A7:012x}", status, f"reason {number}", 12, 1.0, 0.5, history=history)  # type: ignore[arg-type]


def content(one: Outcome) -> tuple[object, ...]:
    """Return everything that an outcome holds, with the bits of its history."""
    history = {metric: (series.steps.tobytes(), series.values.tobytes()) for metric, series in one.history.items()}
    return one.run, one.status, one.reason, one.steps, one.epochs, one.seconds, one.together, history
