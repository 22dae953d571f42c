"""Ranks over problems: do they differ at all, and which by more than chance would give."""

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, studentized_range
from xprun.reports.stats.paired_over_seeds import LEVEL

TESTABLE_PROBLEMS = 5


def friedman(ranks: pd.DataFrame) -> float:
    """The p-value of "all alternatives rank alike" from `ranks` [problems, at least three alternatives].

    The chi-square form, with ties (Friedman, 1937), which finds less than it might with few problems. 1 where all ranks
    of each problem are tied.
    """
    if np.ptp(ranks.to_numpy(), axis=1).max(initial=0) == 0:
        return 1.0
    return float(friedmanchisquare(*ranks.to_numpy().T).pvalue)


def critical_difference(alternatives: int, problems: int) -> float:
    """How far two mean ranks must be apart to differ at the 5% level, whichever two: Nemenyi's test (1963).

    As in Demsar, Statistical comparisons of classifiers over multiple data sets (2006), section 3.2.2.
    """
    q = studentized_range.ppf(1 - LEVEL, alternatives, 1e6) / np.sqrt(2)  # of infinitely many degrees of freedom
    return float(q * np.sqrt(alternatives * (alternatives + 1) / (6 * problems)))


def cliques(mean_ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """The longest stretches (first, last) of sorted mean ranks that lie within the critical difference of each other.

    Single ones are left out, and what lies within a longer one.
    """
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = int(np.searchsorted(mean_ranks, rank + difference, side="right")) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
