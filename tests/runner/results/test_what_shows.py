"""What so many seeds can show is what the test of the pages finds in simulated tables."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy import stats
from xprun.runner.results.paired_test import max_t_test, paired_test
from xprun.runner.results.what_shows import (
    LEVEL,
    least_difference,
    level_divisor,
    seeds_needed,
    students_t,
    what_can_be_shown,
)


def share_found(blocks: int, alternatives: int, difference: float, tables: int) -> float:
    """Return how often the first of some alternatives, better by so many standard deviations, is told from the second.

    The deviations are those of the paired differences; the others are equal.
    """
    chance = np.random.default_rng(0)
    first, second = np.array(list(combinations(range(alternatives), 2))).T
    found = 0
    for _ in range(tables):
        values = chance.normal(size=(blocks, alternatives))
        values[:, 0] += difference * np.sqrt(2)
        differences = values[:, first] - values[:, second]
        found += max_t_test(differences / np.sqrt((differences**2).sum(0)))[0] <= LEVEL
    return found / tables


@pytest.mark.parametrize(("blocks", "alternatives"), [(6, 2), (6, 5), (7, 3), (8, 4), (10, 2), (10, 6), (13, 3)])
def test_the_difference_that_is_told_is_found_four_times_in_five(blocks: int, alternatives: int) -> None:
    difference = least_difference(blocks, comb(alternatives, 2))
    assert 0.65 < share_found(blocks, alternatives, difference, tables=200) < 0.92


def test_below_six_blocks_nothing_is_ever_found() -> None:
    assert share_found(5, 2, difference=100.0, tables=20) == 0


@pytest.mark.parametrize("freedom", [1, 2, 5, 6, 9, 40, 299, 1000])
@pytest.mark.parametrize("outside", [0.5, 0.05, 0.001])
def test_students_t(freedom: int, outside: float) -> None:
    assert students_t(outside, freedom) == pytest.approx(stats.t.isf(outside / 2, freedom), rel=5e-3)


def test_the_words_say_what_to_do() -> None:
    too_few = "5 seeds cannot show any difference: a paired test needs at least 6"
    assert what_can_be_shown(5, 4, chosen=False) == f"{too_few} (--set run.seeds=6, or [confirm] seeds = 10)"
    assert "5 fresh seeds cannot" in what_can_be_shown(3, 4, chosen=True, confirm=5)
    assert what_can_be_shown(20, 4, chosen=True).startswith("exploratory: settings are chosen on the seeds that")
    assert what_can_be_shown(3, 10, chosen=True, confirm=10) == (
        "10 fresh seeds, 45 comparisons of 10 alternatives: differences above about 1.8 standard deviations of the "
        "paired differences would show (80% power)"
    )
    assert what_can_be_shown(2, 2, chosen=False, repeats=3).startswith("2 seeds x 3 repeats, 1 comparison of 2 alter")
    assert what_can_be_shown(20, 1, chosen=True) == ""


@pytest.mark.parametrize("problems", [1, 2, 5, 6, 16, 21, 38])
def test_so_many_seeds_that_all_agree_are_enough_and_one_less_is_not(problems: int) -> None:
    needed = seeds_needed(problems)
    p = [level_divisor(problems) * paired_test(np.ones(n)) for n in (needed, needed - 1)]
    assert p[0] < LEVEL
    assert p[1] >= LEVEL or needed == 6  # of fewer than six nothing is tested
