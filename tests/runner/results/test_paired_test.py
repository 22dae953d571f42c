"""The one paired test: its values are those of scipy and of paper and pencil, for both sides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from xprun.runner.results.paired_test import differences_of, max_t_test, paired_test, sign_flip_test


def of_scipy(differences: np.ndarray, side: str) -> float:
    found = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative=side, n_resamples=np.inf
    )
    return float(found.pvalue)


def test_the_test_is_exact() -> None:
    assert sign_flip_test(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == 2 / 32
    assert sign_flip_test(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "greater") == 1 / 32
    assert sign_flip_test(-np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "greater") == 1
    assert sign_flip_test(np.array([0.1, 0.1, 0.1, 0.1, -0.1])) == 12 / 32
    assert sign_flip_test(np.array([0.1, 0.1, 0.1, 0.1, -0.1]), "greater") == 6 / 32
    assert sign_flip_test(np.zeros(6)) == sign_flip_test(np.zeros(6), "greater") == 1.0
    assert 0 < sign_flip_test(np.ones(20)) < 0.001


@pytest.mark.parametrize(("value", "p"), [(0.3, 0.5), (0.0, 1.0), (-0.3, 1.0)])
def test_one_pair_is_a_coin(value: float, p: float) -> None:
    assert sign_flip_test(np.array([value]), "greater") == p


def test_sums_that_differ_by_rounding_are_equal() -> None:
    assert sign_flip_test(np.array([0.1, 0.2, -0.3])) == 1.0  # 0.1 + 0.2 - 0.3 is 5.6e-17


@pytest.mark.parametrize("side", ["two-sided", "greater"])
@pytest.mark.parametrize("n", [2, 5, 9, 13])
def test_the_test_is_that_of_scipy(n: int, side: str) -> None:
    differences = np.random.default_rng(n).normal(0.4, 1, n)
    assert paired_test(differences, side) == pytest.approx(of_scipy(differences, side))  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [15, 40])
def test_many_pairs_are_flipped_at_random_and_come_near(n: int) -> None:
    differences = np.random.default_rng(1).normal(0.25, 1, n)
    theirs = stats.ttest_1samp(differences, 0, alternative="greater").pvalue
    assert sign_flip_test(differences, "greater") == pytest.approx(theirs, abs=0.01)
    assert sign_flip_test(differences, "greater") == sign_flip_test(differences, "greater")


def test_where_a_run_ended_badly_the_test_is_wilcoxons() -> None:
    finite = np.array([0.3, -0.1, 0.5, 0.2, 0.7, 0.4, 9.0])
    infinite = np.where(finite == 9.0, np.inf, finite)
    assert paired_test(infinite) == pytest.approx(stats.wilcoxon(finite, mode="exact").pvalue)
    theirs = stats.wilcoxon(finite, mode="exact", alternative="greater").pvalue
    assert paired_test(infinite, "greater") == pytest.approx(theirs)


def test_ties_share_ranks() -> None:
    assert paired_test(np.array([np.inf, np.inf, 1.0, 1.0, -1.0])) == 8 / 32  # ranks 4.5 4.5 2 2 -2, sum 11


def test_two_runs_that_ended_badly_are_level() -> None:
    first, second = np.array([np.inf, 1.0, -np.inf, np.inf]), np.array([np.inf, 0.25, 1.0, 1.0])
    assert differences_of(first, second).tolist() == [0, 0.75, -np.inf, np.inf]


def test_several_tests_are_corrected_for_their_number() -> None:
    one, other = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([5.0, -4.0, 3.0, -2.0, 1.0])
    alone = max_t_test(one[:, None], "greater")
    both = max_t_test(np.column_stack([one, other]), "greater")
    assert alone.tolist() == [1 / 32]
    flips = np.array(np.meshgrid(*[[1, -1]] * 5)).reshape(5, -1).T
    largest = np.maximum(flips @ one, flips @ other)
    assert both.tolist() == [np.mean(largest >= 15), np.mean(largest >= 3)]
