"""Averages are those of the published definitions, and leave out no run that ended badly."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from support.folders import Case, Parts
from xprun.reports.stats.averages import averages, inter_quartile_mean
from xprun.reports.stats.intervals import mean_interval

VALUES = np.random.default_rng(1).normal(3.0, 2.0, size=(3, 20))


def test_the_inter_quartile_mean_is_the_mean_of_the_middle_half() -> None:
    assert inter_quartile_mean(np.array([100.0, 2, 3, 4, 5, 6, 7, -9])) == 4.5
    assert inter_quartile_mean(np.array([1.0, 2, 6])) == 3
    assert inter_quartile_mean(VALUES) == pytest.approx(stats.trim_mean(VALUES, 0.25, axis=1))


def test_averages_of_settings_of_different_size(parts: Callable[..., Parts]) -> None:
    cases = [Case("A", 0.1, [1.0, 2, 3, 10]), Case("B", 0.1, [5.0]), Case("C", 0.1, [1.0, None, 2.0])]
    _, judged, _, _ = parts(*cases)
    table = averages(judged)
    assert table["median"].tolist()[:2] == [2.5, 5]
    assert table["iqm"].tolist()[:2] == [2.5, 5]
    np.testing.assert_array_equal(
        table.loc[0, ["mean_low", "mean_high"]], mean_interval(np.array([[1.0, 2, 3, 10]]))[0]
    )
    assert table.loc[1, ["mean_low", "mean_high"]].isna().all()
    assert table.loc[2].isna().all()  # the one that diverged is not left out


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_no_value(parts: Callable[..., Parts], value: float) -> None:
    assert averages(parts(Case("A", 0.1, [0.5, value]))[1]).isna().all(axis=None)


def test_a_run_that_timed_out_does_not_lend_its_last_value(parts: Callable[..., Parts]) -> None:
    _, judged, _, _ = parts(Case("A", 0.1, [0.5, 0.6], {"status": "timeout"}))
    assert averages(judged).isna().all(axis=None)
