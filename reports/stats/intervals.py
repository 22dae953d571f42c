"""Intervals that cover what they say: Student's t for means, inverted sign flips for paired differences."""

from collections.abc import Callable

import numpy as np
from xprun.runner.results.paired_test import ROUNDING, LargestSums

CONFIDENCE = 0.95
HALVINGS = 30  # of the bracket of an end
DOUBLINGS = 12  # of the distance at which a shift is to be rejected


def mean_interval(values: np.ndarray) -> np.ndarray:
    """95% intervals [G, 2] of the mean of each row of `values` [G, n]; NaN for fewer than two values.

    Student, The probable error of a mean (1908): exact for normal noise, whatever n.
    """
    n = values.shape[-1]
    if n < 2:
        return np.full((len(values), 2), np.nan)
    half = t_quantile(n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    mean = values.mean(axis=-1)
    return np.stack([mean - half, mean + half], axis=-1)


def t_quantile(freedom: float) -> float:
    """How many standard errors the half of a 95% interval is with so many degrees of freedom."""
    from scipy.special import stdtrit  # scipy.stats takes four times as long to import

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def stratified_interval(groups: list[np.ndarray]) -> tuple[float, float]:
    """The 95% interval of the mean over groups [n] of the mean of each; NaN ends where a group has a single value.

    Student's t with the degrees of freedom of Satterthwaite (1946). Groups count alike; they are not drawn anew.
    """
    if min(map(len, groups)) < 2:
        return np.nan, np.nan
    mean = float(np.mean([group.mean() for group in groups]))
    parts = np.array([group.var(ddof=1) / len(group) for group in groups]) / len(groups) ** 2
    if parts.sum() == 0:
        return mean, mean
    freedom = parts.sum() ** 2 / sum(part**2 / (len(group) - 1) for part, group in zip(parts, groups, strict=True))
    half = float(t_quantile(freedom) * np.sqrt(parts.sum()))
    return mean - half, mean + half


def inverted_interval(differences: np.ndarray, largest: LargestSums, column: int, level: float) -> tuple[float, float]:
    """The mean differences that the sign-flip test, corrected as `largest` says, does not reject at this level.

    `differences` [n] of the column, NaN for a pair that is not there; none is infinite. The interval holds 0 exactly
    where the corrected p-value is at least the level, so that it cannot contradict the test beside it. Its ends are
    infinite where so few differences cannot reject anything.
    """
    known = ~np.isnan(differences)
    values = np.where(known, differences, 0.0)
    mean, spread = float(values[known].mean()), float(np.ptp(values[known]))
    if spread <= ROUNDING * np.abs(values).max(initial=0.0):
        return mean, mean
    flipped, flipped_ones = largest.signs @ values, largest.signs @ known.astype(float)
    others = largest.without(column)

    def is_kept(shift: float) -> bool:
        length = np.sqrt(known.sum() * ((values - shift)[known] ** 2).sum())
        sums = np.maximum(np.abs(flipped - shift * flipped_ones) / length, others)
        return bool((sums >= abs(sums_of(shift)) / length - largest.slack).mean() >= level)

    def sums_of(shift: float) -> float:
        return float(values.sum() - shift * known.sum())

    low, high = (_end(is_kept, mean, mean + side * spread) for side in (-1, 1))
    return low, high


def _end(is_kept: Callable[[float], bool], mean: float, far: float) -> float:
    """Where shifts begin to be rejected on the way from the mean to a far one; on which side of 0 is made sure."""
    for _ in range(DOUBLINGS):
        if not is_kept(far):
            break
        far += far - mean
    else:
        return float(np.copysign(np.inf, far - mean))
    near = mean
    if min(mean, far) < 0 < max(mean, far):
        near, far = (0.0, far) if is_kept(0.0) else (mean, 0.0)
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if is_kept(middle) else (near, middle)
    return near
