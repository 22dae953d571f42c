"""The one rule by which a setting is chosen among those of an alternative, for the second stage and for every page."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import fsum, inf, isfinite
from typing import TypeVar

from xprun.runner.results.results_schema import Goal

Setting = TypeVar("Setting", bound=Hashable)
DIGITS = 12  # of a mean that count: in more, means of the same values in another order may differ


def choose(settings: Mapping[Setting, Sequence[float]], goal: Goal) -> Setting | None:
    """Return the best setting, the first of equals, or None where every run of it failed or diverged.

    The values of a setting are those of its runs by the metric that chooses; one that is not finite stands for a run
    that failed or diverged.
    """
    best = min(settings, key=lambda setting: merit(settings[setting], goal))
    return best if any(map(isfinite, settings[best])) else None


def merit(values: Sequence[float], goal: Goal) -> tuple[float, float]:
    """Return what settings are ordered by, the least first, from the values of one setting's runs.

    That is the share of runs that failed or diverged, then the mean of the others, its sign turned where more is
    better, to twelve significant digits. Equals stay in the order of the spec.
    """
    ended = [float(value) for value in values if isfinite(value)]
    return (len(values) - len(ended)) / len(values), rounded_mean(ended, goal)


def rounded_mean(values: Sequence[float], goal: Goal) -> float:
    """Return the mean of finite values, of which less is better, to twelve significant digits; infinite for none."""
    if not values:
        return inf
    mean = float(f"{fsum(value / len(values) for value in values):.{DIGITS}g}")
    return -mean if goal == "max" else mean
