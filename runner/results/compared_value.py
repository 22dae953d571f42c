"""The value by which a run is compared, and its setting chosen: for tables, second stage and progress alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xprun.runner.results.results_schema import Comparison
from xprun.runner.results.rounding import reached

if TYPE_CHECKING:
    from xprun.runner.results.outcome import Outcome  # with numpy


def chosen_by(comparison: Comparison, outcome: Outcome) -> float:
    """Return the value by which a run's setting is chosen; NaN where the run failed or diverged, or has none."""
    if comparison.by_time:
        return steps_to_target(comparison, outcome)
    if not outcome.ended_well:
        return math.nan
    if comparison.at == "checkpoint":
        return outcome.best(comparison.metric, comparison.goal)
    series = outcome.trained(comparison.metric)
    return math.nan if series is None or not len(series.values) else float(series.values[-1])


def cost(comparison: Comparison, outcome: Outcome) -> float:
    """Return that value with its sign turned where more is better: less is better.

    Infinite where the run failed or diverged, or has no finite value: that is worse than any.
    """
    value = chosen_by(comparison, outcome)
    return (-value if comparison.goal == "max" else value) if math.isfinite(value) else math.inf


def steps_to_target(comparison: Comparison, outcome: Outcome) -> float:
    """Return the first measured step at which a run has reached the target; NaN where none has, or it failed.

    The loss is measured at recorded steps, other metrics at evaluations. What a run begins with is no step of it.
    """
    metric, goal = comparison.aim
    series, target = outcome.trained(metric), comparison.target
    if series is None or target is None or not outcome.ended_well:
        return math.nan
    steps = series.steps[reached(series.values, target, goal)]
    return float(steps[0]) if len(steps) else math.nan
