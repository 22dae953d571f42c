"""Intervals are those of scipy, cover what they say, and never contradict the test beside them."""

import numpy as np
import pytest
from scipy import stats
from xprun.reports.stats.intervals import mean_interval, stratified_interval
from xprun.reports.stats.simultaneous_tests import LEVEL, SimultaneousTests
from xprun.runner.results.paired_test import sign_flip_test

RANDOM = np.random.default_rng(7)


def test_the_interval_of_a_mean_is_students() -> None:
    values = RANDOM.normal(3.0, 2.0, size=(4, 7))
    theirs = stats.t.interval(0.95, 6, values.mean(axis=1), stats.sem(values, axis=1))
    np.testing.assert_allclose(mean_interval(values), np.stack(theirs, axis=1))


def test_one_value_leaves_everything_open_and_equal_values_nothing() -> None:
    assert np.isnan(mean_interval(np.array([[1.0], [2.0]]))).all()
    assert mean_interval(np.full((1, 5), 0.25)).tolist() == [[0.25, 0.25]]


@pytest.mark.parametrize("n", [2, 5, 10, 20])
def test_it_holds_the_true_mean_as_often_as_it_says(n: int) -> None:
    found = mean_interval(np.random.default_rng(n).normal(size=(4000, n)))
    assert 0.94 < np.mean((found[:, 0] <= 0) & (found[:, 1] >= 0)) < 0.96


def test_over_two_groups_it_is_welchs() -> None:
    """The mean of two groups is half of the difference between one and the other turned round."""
    one, other = RANDOM.normal(1, 1, 8), RANDOM.normal(0, 3, 5)
    theirs = stats.ttest_ind(one, -other, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(stratified_interval([one, other]), np.array(theirs) / 2)
    assert np.isnan(stratified_interval([one, other[:1]])).all()
    assert stratified_interval([np.ones(3), np.zeros(2)]) == (0.5, 0.5)


def test_the_interval_of_a_difference_is_the_shifts_that_are_not_rejected() -> None:
    differences = RANDOM.normal(0.5, 1.0, 9)
    low, high = SimultaneousTests(differences[:, None]).interval(0)
    grid = np.linspace(low - 1, high + 1, 2001)
    kept = np.array([sign_flip_test(differences - shift) >= LEVEL for shift in grid])
    assert grid[kept].min() == pytest.approx(low, abs=2e-3)
    assert grid[kept].max() == pytest.approx(high, abs=2e-3)


@pytest.mark.parametrize("seed", range(40))
def test_it_holds_0_exactly_where_the_corrected_test_does_not_reject(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, k = int(random.integers(6, 17)), int(random.integers(1, 6))
    differences = random.normal(random.choice([0.0, 0.7, 1.5], size=k), 1.0, size=(n, k))
    differences[random.random((n, k)) < 0.05] = np.nan
    if seed % 2:
        differences = differences.round()  # ties
    families = int(random.integers(1, 4))
    tests = SimultaneousTests(differences, families)
    for column in range(k):
        low, high = tests.interval(column)
        assert low <= tests.known(column).mean() <= high
        assert (low <= 0 <= high) == (tests.adjusted[column] >= LEVEL or not tests.known(column).any())


def test_equal_differences_leave_nothing_open_and_few_ones_everything() -> None:
    assert SimultaneousTests(np.full((8, 1), 0.25)).interval(0) == (0.25, 0.25)
    low, high = SimultaneousTests(np.array([[1.0], [2.0], [4.0]])).interval(0)
    assert (low, high) == (-np.inf, np.inf)


def test_it_covers_the_true_difference() -> None:
    random = np.random.default_rng(3)
    inside = []
    for _ in range(400):
        low, high = SimultaneousTests(random.normal(1.0, 1.0, size=(10, 1))).interval(0)
        inside.append(low <= 1.0 <= high)
    assert 0.92 < np.mean(inside) <= 0.98
