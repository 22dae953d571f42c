"""Averages and intervals are those of scipy and of the published definitions."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from support.folders import Analysis, Case
from xprun.reports.stats.averages import averages, bootstrap, inter_quartile_mean

VALUES = np.random.default_rng(1).normal(3.0, 2.0, size=(3, 20))


def test_intervals_agree_with_scipy() -> None:
    theirs = stats.bootstrap((VALUES,), np.mean, axis=-1, n_resamples=20000, method="percentile", rng=2)
    found = bootstrap(VALUES)
    np.testing.assert_allclose(found[:, 0], theirs.confidence_interval.low, atol=0.06)
    np.testing.assert_allclose(found[:, 1], theirs.confidence_interval.high, atol=0.06)


def test_each_row_has_the_interval_that_it_has_alone() -> None:
    many = np.tile(VALUES, (300, 1))  # more than are resampled at a time
    np.testing.assert_array_equal(bootstrap(many)[-3:], bootstrap(VALUES))


def test_the_inter_quartile_mean_is_the_mean_of_the_middle_half() -> None:
    assert inter_quartile_mean(np.array([100.0, 2, 3, 4, 5, 6, 7, -9])) == 4.5
    assert inter_quartile_mean(np.array([1.0, 2, 6])) == 3
    assert inter_quartile_mean(VALUES) == pytest.approx(stats.trim_mean(VALUES, 0.25, axis=1))


def test_one_value_leaves_everything_open() -> None:
    assert np.isnan(bootstrap(np.array([[1.0], [2.0]]))).all()


def test_equal_values_leave_nothing_open() -> None:
    assert bootstrap(np.full((1, 5), 0.25)).tolist() == [[0.25, 0.25]]


def test_averages_of_settings_of_different_size(analysis: Callable[..., Analysis]) -> None:
    cases = [Case("A", 0.1, [1.0, 2, 3, 10]), Case("B", 0.1, [5.0]), Case("C", 0.1, [1.0, None, 2.0])]
    _, judged, _, _ = analysis(*cases)
    table = averages(judged)
    assert table["median"].tolist()[:2] == [2.5, 5]
    assert table["iqm"].tolist()[:2] == [2.5, 5]
    low, high = table.loc[0, ["mean_low", "mean_high"]]
    assert 1 <= low < 4 < high <= 10
    np.testing.assert_array_equal(
        table.loc[0, ["iqm_low", "iqm_high"]], bootstrap(np.array([[1.0, 2, 3, 10]]), inter_quartile_mean)[0]
    )
    assert table.loc[1, ["mean_low", "mean_high"]].isna().all()
    assert table.loc[2].isna().all()  # the one that diverged is not left out


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_no_value(analysis: Callable[..., Analysis], value: float) -> None:
    assert averages(analysis(Case("A", 0.1, [0.5, value]))[1]).isna().all(axis=None)


def test_a_run_that_timed_out_does_not_lend_its_last_value(analysis: Callable[..., Analysis]) -> None:
    _, judged, _, _ = analysis(Case("A", 0.1, [0.5, 0.6], {"status": "timeout"}))
    assert averages(judged).isna().all(axis=None)
