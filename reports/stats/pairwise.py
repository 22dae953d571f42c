"""The one test of a page: every pair of alternatives, block by block, with one correction for all of them."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from xprun.reports.stats.simultaneous_tests import LEVEL, SimultaneousTests
from xprun.runner.results.paired_test import differences_of, paired_test, tested_values
from xprun.runner.results.rounding import within
from xprun.runner.results.what_shows import BLOCKS_NEEDED as BLOCKS_NEEDED
from xprun.runner.results.what_shows import level_divisor as level_divisor

OVER_PROBLEMS_DIVISOR = 1.5  # see `level_divisor`; six problems that all agree have p = 1.5 * 2 / 2^6 < LEVEL

Finding = Literal["better", "worse", "practically equal", "identical", "inconclusive", "exploratory"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)
BETTER, WORSE, EQUAL, IDENTICAL, INCONCLUSIVE, EXPLORATORY = FINDINGS
OPPOSITE: dict[Finding, Finding] = {BETTER: WORSE, WORSE: BETTER}
NONE = float("nan")


@dataclass(frozen=True)
class Pair:
    """What the blocks say of two alternatives, the first against the second.

    `n` blocks that both have, `bad` of them with a bad run on either side; in so many the first is ahead (`wins`),
    level (`ties`) or behind (`losses`). `difference`: the mean of first less second, `low` to `high` its interval,
    below six blocks, or where nothing is tested, the least and the largest difference; NaN where a run is bad.
    `effect`: see `effect_size`; `improvement`: see `probability_of_improvement`. `p` is that of the pair alone,
    `adjusted` that for all comparisons of the page; NaN where nothing is tested. `shows`: the least mean difference
    that would have shown.
    """

    first: str
    second: str
    n: int
    bad: int
    wins: int
    ties: int
    losses: int
    difference: float
    low: float
    high: float
    effect: float
    improvement: float
    p: float
    adjusted: float
    shows: float
    finding: Finding

    @property
    def tested(self) -> bool:
        """Whether there is a p-value."""
        return self.adjusted == self.adjusted

    @property
    def told_apart(self) -> bool:
        """Whether one is better than the other."""
        return self.finding in OPPOSITE

    @property
    def blocks_needed(self) -> float:
        """About how many blocks it takes to show a difference of this size; NaN where that is not known."""
        if not (self.shows > 0 and self.difference):
            return NONE
        return max(float(BLOCKS_NEEDED), self.n * (self.shows / abs(self.difference)) ** 2)

    def turned(self) -> "Pair":
        """The second against the first."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            wins=self.losses,
            losses=self.wins,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            effect=-self.effect,
            improvement=1 - self.improvement,
            finding=OPPOSITE.get(self.finding, self.finding),
        )


@dataclass(frozen=True)
class Pairwise:
    """All pairs of some alternatives, `names`, over the same blocks: seeds, or problems.

    `differences` [blocks, pairs] of first less second, in the order of `combinations`; NaN for a block that one lacks.
    `values` [blocks, alternatives] are what they are of, None over problems. `tolerance`: how large a difference is
    none in practice. `families`: by how much the level of the page is divided, since it asks more than this (see
    `level_divisor`). `exploratory`: nothing is tested, since settings were chosen on these very blocks.
    """

    names: list[str]
    differences: np.ndarray
    values: pd.DataFrame | None = None
    ascending: bool = False
    tolerance: float = 0.0
    families: float = 1.0
    exploratory: bool = False

    def of(self, first: str, second: str) -> Pair:
        """The first against the second."""
        if (first, second) not in self.columns:
            return self.of(second, first).turned()
        if (first, second) not in self._made:
            self._made[first, second] = self._pair(first, second)
        return self._made[first, second]

    def against(self, second: str) -> list[Pair]:
        """Every other alternative against one."""
        return [self.of(first, second) for first in self.names if first != second]

    def are_told_apart(self, first: str, second: str) -> bool:
        """Whether one of two is better than the other; asked of all pairs, this is quicker than all about each."""
        column = self.columns.get((first, second), self.columns.get((second, first), -1))
        if self.exploratory or not self.tests.adjusted[column] < LEVEL:
            return False
        return self.of(first, second).told_apart

    @cached_property
    def columns(self) -> dict[tuple[str, str], int]:
        """The column of each pair, in one direction."""
        return {pair: column for column, pair in enumerate(combinations(self.names, 2))}

    @cached_property
    def _made(self) -> dict[tuple[str, str], Pair]:
        return {}

    @cached_property
    def tests(self) -> SimultaneousTests:
        """The tests of all pairs."""
        return SimultaneousTests(self.differences, self.families)

    def _pair(self, first: str, second: str) -> Pair:
        column = self.columns[first, second]
        differences = self.differences[:, column]
        known = self.tests.known(column)
        tested = len(known) >= BLOCKS_NEEDED and not self.exploratory
        better = known * (-1 if self.ascending else 1)
        facts = self._facts(~np.isnan(differences), first, second) if self.values is not None else _of_shares(known)
        whole = facts["bad"] == 0 and len(known) > 0
        mean = float(known.mean()) if whole else NONE
        low, high = self._interval(column, tested=tested) if whole else (NONE, NONE)
        adjusted = float(self.tests.adjusted[column]) if tested else NONE
        return Pair(
            first,
            second,
            n=len(known),
            wins=int((better > 0).sum()),
            ties=int((better == 0).sum()),
            losses=int((better < 0).sum()),
            difference=mean,
            low=low,
            high=high,
            p=paired_test(known) if tested else NONE,
            adjusted=adjusted,
            shows=max(high - mean, mean - low) if tested else NONE,
            finding=self._finding(better, max(-low, high), adjusted, self._measured(first, second)),
            **facts,
        )

    def _facts(self, there: np.ndarray, first: str, second: str) -> dict[str, Any]:
        """What the values themselves say, and not their differences alone."""
        assert self.values is not None
        both = self.values[[first, second]].to_numpy(dtype="float64")[there]
        one, other = both.T
        return {
            "bad": int((~np.isfinite(both)).any(axis=1).sum()),
            "effect": effect_size(differences_of(one, other)),
            "improvement": probability_of_improvement(one, other, ascending=self.ascending) if len(both) else NONE,
        }

    def _interval(self, column: int, *, tested: bool) -> tuple[float, float]:
        differences = self.differences[:, column]
        if not tested:
            return float(np.nanmin(differences)), float(np.nanmax(differences))
        return self.tests.interval(column)

    def _measured(self, first: str, second: str) -> list[float]:
        """The values that the differences of two are of."""
        return [] if self.values is None else self.values[[first, second]].to_numpy(dtype="float64").ravel().tolist()

    def _finding(self, better: np.ndarray, size: float, adjusted: float, measured: list[float]) -> Finding:
        """The finding where a difference is at most of this size."""
        if len(better) and not better.any():
            return IDENTICAL
        if self.exploratory:
            return EXPLORATORY
        if adjusted != adjusted:
            return INCONCLUSIVE
        if self.tolerance > 0 and within(size, self.tolerance, measured):
            return EQUAL
        if adjusted >= LEVEL:
            return INCONCLUSIVE
        return BETTER if tested_values(better).sum() > 0 else WORSE


def over_blocks(values: pd.DataFrame, *, ascending: bool, tolerance: float = 0.0, **options: float | bool) -> Pairwise:
    """All pairs of the columns of `values` [blocks, alternatives].

    A bad run has the worst value, an infinity; NaN stands for a block that an alternative does not have.
    """
    columns = dict(zip(map(str, values), values.to_numpy(dtype="float64").T, strict=True))
    found = [differences_of(columns[one], columns[other]) for one, other in combinations(columns, 2)]
    return Pairwise(
        list(columns),
        _side_by_side(found, len(values)),
        values.set_axis(list(columns), axis=1),
        ascending,
        tolerance,
        **options,  # type: ignore[arg-type]
    )


def over_problems(runs: list[dict[str, np.ndarray]], names: list[str], *, exploratory: bool = False) -> Pairwise:
    """All pairs over problems, which are the blocks: `runs[problem][name]` [n], larger being better.

    What is tested on each problem is how often a run of the first is better than one of the second, less a half. It
    depends on these two alone, and on no scale of a metric. An alternative without a run there is worse than all.
    """
    absent = np.array([-np.inf])

    def shares(one: str, other: str) -> list[float]:
        found = [(there.get(one, absent), there.get(other, absent)) for there in runs]
        return [probability_of_improvement(*both, ascending=False) - 0.5 for both in found]

    differences = [np.array(shares(one, other)) for one, other in combinations(names, 2)]
    return Pairwise(
        names, _side_by_side(differences, len(runs)), families=OVER_PROBLEMS_DIVISOR, exploratory=exploratory
    )


def effect_size(differences: np.ndarray) -> float:
    """The mean difference in standard deviations of the differences: Cohen's d_z (Cohen, 1988, section 2.3.5).

    NaN for fewer than two, and where all are equal or one is infinite.
    """
    if len(differences) < 2 or not np.isfinite(differences).all() or np.ptp(differences) == 0:
        return NONE
    return float(differences.mean() / differences.std(ddof=1))


def probability_of_improvement(first: np.ndarray, second: np.ndarray, *, ascending: bool) -> float:
    """How often a run of the first, picked at random, is better than one of the second; ties count half.

    The Mann-Whitney statistic over its largest value (Agarwal et al., 2021, section 4.3).
    """
    one, other = (second[None, :], first[:, None]) if ascending else (first[:, None], second[None, :])
    return float(np.mean((one > other) + 0.5 * (one == other)))


def not_told_apart(pairwise: Pairwise, names: list[str]) -> list[tuple[int, int]]:
    """The longest stretches (first, last) of ranked alternatives none of which is told apart from another in it.

    Single ones are left out, and what lies within a longer one.
    """
    found: list[tuple[int, int]] = []
    for first in range(len(names)):
        last = first
        while last + 1 < len(names) and not any(
            pairwise.are_told_apart(name, names[last + 1]) for name in names[first : last + 1]
        ):
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _of_shares(shares: np.ndarray) -> dict[str, Any]:
    return {"bad": 0, "effect": NONE, "improvement": float(shares.mean()) + 0.5 if len(shares) else NONE}


def _side_by_side(columns: list[np.ndarray], blocks: int) -> np.ndarray:
    return np.stack(columns, axis=1) if columns else np.empty((blocks, 0))
