"""Whether paired differences are more than chance: the sign-flip test, of which every p-value of pairs comes."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
Side = Literal["two-sided", "greater"]
EXACT = 14  # pairs up to which every combination of signs is tried
RANDOM_FLIPS = 2**14
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
    one scale. Of a single column it is the sign-flip test.
    """
    sums = flips(len(scores)) @ scores  # [F, k], the first row unflipped
    sums = np.abs(sums) if side == "two-sided" else sums
    slack = ROUNDING * np.abs(scores).sum(axis=0).max(initial=0.0)
    return np.asarray((sums.max(axis=1)[:, None] >= sums[0] - slack).mean(axis=0))


def signed_ranks(differences: Numbers) -> Numbers:
    """Return the ranks of the sizes of differences [n], equals sharing their mean, with the signs of the differences.

    Flipped they make the signed-rank test of Wilcoxon, Individual comparisons by ranking methods (1945).
    """
    from scipy.stats import rankdata

    return np.asarray(np.sign(differences) * rankdata(np.abs(differences)))


def flips(n: int) -> Numbers:
    """Return signs [F, n], the first row all positive: every combination up to n = 14, random ones beyond."""
    if n <= EXACT:
        return np.array(list(product([1.0, -1.0], repeat=n)))
    signs = np.random.default_rng(0).choice([1.0, -1.0], size=(RANDOM_FLIPS, n))
    signs[0] = 1.0
    return signs
