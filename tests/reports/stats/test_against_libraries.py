"""The statistics of a report agree with scipy, statsmodels and rliable, on random tables and on ill-natured ones."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from rliable import metrics
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW
from xprun.reports.stats.averages import inter_quartile_mean
from xprun.reports.stats.intervals import mean_interval
from xprun.reports.stats.pairwise import over_blocks, over_problems, probability_of_improvement

SEEDS = range(8)
INF = float("inf")


def values(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two alternatives at shared seeds: plain, with ties, heavy-tailed, of very different size, or nearly equal."""
    random = np.random.default_rng(seed)
    n = int(random.integers(6, 13))
    one, other = random.standard_t(2, n), random.standard_t(2, n)
    kinds = [(one, other), (one.round(), other.round()), (1e9 * one, 1e-9 * other), (one, one + 1e-13 * other)]
    return kinds[seed % len(kinds)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_interval_of_a_mean_is_that_of_statsmodels(seed: int) -> None:
    one, _ = values(seed)
    np.testing.assert_allclose(mean_interval(one[None])[0], DescrStatsW(one).tconfint_mean(alpha=0.05), rtol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_p_value_of_a_pair_is_that_of_scipy(seed: int) -> None:
    one, other = values(seed)
    pair = over_blocks(pd.DataFrame({"A": one, "B": other}), ascending=False).of("A", "B")
    theirs = stats.permutation_test((one - other,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert pair.p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("bad", [1, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_where_runs_failed_it_is_wilcoxons(seed: int, bad: int) -> None:
    random = np.random.default_rng(seed)
    one, other = random.normal(size=9), random.normal(size=9)
    one[:bad] = -INF
    pair = over_blocks(pd.DataFrame({"A": one, "B": other}), ascending=False).of("A", "B")
    finite = np.where(np.isinf(one - other), -1e6, one - other)  # the largest of all, and equal
    ranks = np.sign(finite) * stats.rankdata(np.abs(finite))
    sums = np.array(list(product([1, -1], repeat=9))) @ ranks
    assert pair.p == pytest.approx(np.mean(np.abs(sums) >= abs(ranks.sum()) - 1e-9))
    if bad == 1:
        assert pair.p == pytest.approx(stats.wilcoxon(finite, mode="exact").pvalue)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_corrected_p_values_are_those_of_all_flips(seed: int) -> None:
    """Brute force over all signs, of Student's t, of which the sums are a monotone function."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.normal(size=(7, 3)), columns=list("ABC"))
    table = table.round(1) if seed % 2 else table
    pairs = [("A", "B"), ("A", "C"), ("B", "C")]
    differences = np.stack([table[a] - table[b] for a, b in pairs], axis=1)
    signs = np.array(list(product([1.0, -1.0], repeat=7)))
    with np.errstate(divide="ignore"):
        t = np.array([np.abs(stats.ttest_1samp(sign[:, None] * differences, 0).statistic) for sign in signs])
    expected = (t.max(axis=1)[:, None] >= t[0] - 1e-9).mean(axis=0)
    found = over_blocks(table, ascending=False)
    assert [found.of(*pair).adjusted for pair in pairs] == pytest.approx(expected.tolist())


@pytest.mark.parametrize("seed", SEEDS)
def test_improvement_and_inter_quartile_means_are_those_of_rliable(seed: int) -> None:
    random = np.random.default_rng(seed)
    tables = [random.normal(size=(int(random.integers(3, 9)), 5)) for _ in range(2)]
    one, other = (table.round(1) for table in tables) if seed % 2 else tables
    runs = [{"A": one[:, task], "B": other[:, task]} for task in range(5)]
    pair = over_problems(runs, ["A", "B"]).of("A", "B")
    assert pair.improvement == pytest.approx(metrics.probability_of_improvement(one, other))
    assert inter_quartile_mean(one.ravel()) == pytest.approx(metrics.aggregate_iqm(one))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([INF, INF], [INF, INF], 0.5),  # all diverged, where more is better as where less is
        ([-INF, 1.0], [-INF, 0.0], (0.5 + 0 + 1 + 1) / 4),
        ([1.0], [0.0], 1.0),  # one seed
        ([0.0, 0.0, 0.0], [0.0], 0.5),
    ],
)
def test_improvement_of_ill_natured_runs(first: list[float], second: list[float], expected: float) -> None:
    assert probability_of_improvement(np.array(first), np.array(second), ascending=False) == expected


def test_tables_with_holes_are_compared_where_both_have_a_block() -> None:
    nan = float("nan")
    table = pd.DataFrame({"A": [1.0, 2, 3, 4, 5, 6, 7, nan], "B": [0.0, 1, 2, 3, 4, 5, nan, 9], "C": [nan] * 8})
    pairs = over_blocks(table, ascending=False)
    assert (pairs.of("A", "B").n, pairs.of("A", "B").p) == (6, 2 / 64)
    assert (pairs.of("A", "C").n, pairs.of("A", "C").finding) == (0, "inconclusive")
    diverged = over_blocks(pd.DataFrame({"A": [-INF] * 6, "B": [1.0] * 6}), ascending=False).of("A", "B")
    assert (diverged.finding, diverged.bad) == ("worse", 6)
