"""Paired differences of several comparisons, tested together: one p-value and one interval for each."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from xprun.reports.stats.intervals import inverted_interval
from xprun.runner.results.paired_test import LargestSums, on_one_scale
from xprun.runner.results.what_shows import LEVEL as LEVEL


@dataclass(frozen=True)
class SimultaneousTests:
    """The two-sided sign-flip tests of the columns of `differences` [blocks, comparisons], corrected for their number.

    NaN stands for a block that a comparison lacks; where a difference is infinite, signed ranks are tested. `families`:
    by how much the level is divided, since a page asks more than this (Bonferroni).
    """

    differences: np.ndarray
    families: float = 1.0
    level: float = LEVEL

    @cached_property
    def largest(self) -> LargestSums:
        """What a corrected p-value compares with."""
        return LargestSums(np.stack([on_one_scale(column) for column in self.differences.T], axis=1))

    @cached_property
    def adjusted(self) -> np.ndarray:
        """The corrected p-values [comparisons]."""
        return np.asarray(np.minimum(1.0, self.families * self.largest.p_values(self.largest.observed)))

    def known(self, column: int) -> np.ndarray:
        """The differences of a comparison that are there."""
        return np.asarray(self.differences[~np.isnan(self.differences[:, column]), column])

    def interval(self, column: int) -> tuple[float, float]:
        """The mean differences that the corrected test does not reject; none may be infinite."""
        return inverted_interval(self.differences[:, column], self.largest, column, self.level / self.families)
