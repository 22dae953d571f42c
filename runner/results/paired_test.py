"""Whether paired differences are more than chance: the sign-flip test, of which every p-value of pairs comes."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
Side = Literal["two-sided", "greater"]
EXACT = 14  # pairs up to which every combination of signs is tried
RANDOM_FLIPS = 2**14
AT_ONCE = 256  # columns whose sums are in memory at a time
ROUNDING = 1e-12  # of the largest sum that signs can give: sums that are the same but for rounding count as equal


def differences_of(first: Numbers, second: Numbers) -> Numbers:
    """Return first less second of each pair [n]; 0 where both are the same infinity, as of two failed runs."""
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0.0, first - second)


def paired_test(differences: Numbers, side: Side = "two-sided") -> float:
    """Return the p-value of "the differences [n] are symmetric about 0", by flipping their signs.

    Where one is infinite (a run that ended badly), their signed ranks are flipped instead: Wilcoxon's test.
    """
    return sign_flip_test(tested_values(differences), side)


def tested_values(differences: Numbers) -> Numbers:
    """Return what `paired_test` sums under random signs: the sign of their own sum is the direction of a finding."""
    return differences if np.isfinite(differences).all() else signed_ranks(differences)


def sign_flip_test(differences: Numbers, side: Side = "two-sided") -> float:
    """Return the p-value of the mean of finite differences [n] under random signs.

    Fisher, The Design of Experiments (1935). Exact up to 14 pairs; beyond, 16384 random flips from a fixed seed.
    `side` "greater" asks whether the mean is above 0, "two-sided" whether it is away from 0.
    """
    return float(max_t_test(differences[:, None], side)[0])


def max_t_test(scores: Numbers, side: Side = "two-sided") -> Numbers:
    """Return one p-value [k] for each column of differences [n, k], corrected for their number.

    The signs of a row are flipped together, and each sum is compared with the largest of all columns: the single-step
    maxT procedure (Westfall and Young, Resampling-based multiple testing, 1993, section 2.6). The columns are to be on
    one scale: see `on_one_scale`. Of a single column it is the sign-flip test.
    """
    if not scores.shape[1]:
        return np.empty(0)
    largest = LargestSums(scores, side)
    return largest.p_values(largest.observed)


class LargestSums:
    """The largest of the sums of columns of differences [n, k] under each flip of signs [F]: what maxT compares with.

    `observed` are the sums [k] as they are. `without(i)` leaves a column out.
    """

    def __init__(self, scores: Numbers, side: Side = "two-sided") -> None:
        self.signs = flips(len(scores))
        self.slack = ROUNDING * np.abs(scores).sum(axis=0).max(initial=0.0)
        self.observed: Numbers = np.abs(scores.sum(axis=0)) if side == "two-sided" else scores.sum(axis=0)
        self.first = np.full(len(self.signs), -np.inf)
        self.second = np.full(len(self.signs), -np.inf)
        self.column = np.zeros(len(self.signs), dtype=int)
        for start in range(0, scores.shape[1], AT_ONCE):
            sums = self.signs @ scores[:, start : start + AT_ONCE]
            self._take(np.abs(sums) if side == "two-sided" else sums, start)

    def _take(self, sums: Numbers, start: int) -> None:
        """Note the two largest of these sums [F, k'] and of those before, and whose the first is."""
        for column, values in enumerate(sums.T, start):
            ahead = values > self.first
            self.second = np.where(ahead, self.first, np.maximum(self.second, values))
            self.first = np.where(ahead, values, self.first)
            self.column[ahead] = column

    def p_values(self, observed: Numbers) -> Numbers:
        """Return how often the largest sum is at least as large as each of those observed [k]."""
        ordered = np.sort(self.first)
        return np.asarray(1 - np.searchsorted(ordered, observed - self.slack, side="left") / len(ordered))

    def without(self, column: int) -> Numbers:
        """Return the largest sums [F] of the other columns; minus infinity where there is none."""
        return np.where(self.column == column, self.second, self.first)


def on_one_scale(differences: Numbers) -> Numbers:
    """Return differences [n] scaled so that their sums under flipped signs lie between -1 and 1.

    The scale is the same under every flip, and the sum a monotone function of Student's t. Signed ranks stand for
    differences of which one is infinite, and 0 for a pair that is not there (NaN).
    """
    known = ~np.isnan(differences)
    values = np.zeros(len(differences))
    values[known] = tested_values(differences[known])
    length = np.sqrt(known.sum() * (values**2).sum())
    return values / length if length > 0 else values


def signed_ranks(differences: Numbers) -> Numbers:
    """Return the ranks of the sizes of differences [n], equals sharing their mean, with the signs of the differences.

    Flipped they make the signed-rank test of Wilcoxon, Individual comparisons by ranking methods (1945).
    """
    _, place, equals = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    ranks = equals.cumsum() - (equals - 1) / 2
    return np.asarray(np.sign(differences) * ranks[place])


@cache
def flips(n: int) -> Numbers:
    """Return signs [F, n], the first row all positive: every combination up to n = 14, random ones beyond."""
    if n <= EXACT:
        return np.array(list(product([1.0, -1.0], repeat=n)))
    signs = np.random.default_rng(0).choice([1.0, -1.0], size=(RANDOM_FLIPS, n))
    signs[0] = 1.0
    return signs
