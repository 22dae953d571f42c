"""Ranks over problems: the values that Demsar (2006) publishes, and those of scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from xprun.reports.stats.rank_tests import cliques, critical_difference, friedman

# Demsar (2006), table 2: the area under the curve of four classifiers on fourteen data sets.
# Its ranks tell 0.975 and 0.975 in the last row but one apart, by digits that are not printed: here by 0.0001.
AREAS = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975],
    [0.957, 0.978, 0.946, 0.970],
]


def published() -> pd.DataFrame:
    return pd.DataFrame(stats.rankdata(-np.array(AREAS), axis=1), columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"])


def test_the_published_example() -> None:
    means = published().mean()
    np.testing.assert_allclose(means, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert friedman(published()) == pytest.approx(stats.friedmanchisquare(*np.array(AREAS).T).pvalue)
    assert 0.01 < friedman(published()) < stats.chi2.sf(9.28, 3)  # published without the correction for ties
    order = means.sort_values()
    joined = [list(order.index[a : b + 1]) for a, b in cliques(order.to_numpy(), critical_difference(4, 14))]
    assert joined == [["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]]  # 3.143 - 1.964 = 1.179 < 1.25
    assert cliques(order.to_numpy(), 1.12) == [(0, 2), (2, 3)]  # at the 10% level C4.5 falls behind the first two


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)])
def test_the_critical_values_are_those_of_the_published_table(k: int, q: float) -> None:
    """Demsar (2006), table 5a."""
    assert critical_difference(k, 6) == pytest.approx(q * np.sqrt(k * (k + 1) / 36), abs=1.5e-3)


def test_ties_everywhere_are_no_difference() -> None:
    assert friedman(pd.DataFrame(np.full((5, 3), 2.0))) == 1.0


def test_what_an_infinite_difference_joins() -> None:
    assert cliques(np.array([1.0, 2.0, 3.0]), np.inf) == [(0, 2)]
    assert cliques(np.array([1.0, 2.0, 3.0]), 0.5) == []
    assert cliques(np.array([1.0, 1.4, 2.0, 2.3]), 0.7) == [(0, 1), (1, 2), (2, 3)]
