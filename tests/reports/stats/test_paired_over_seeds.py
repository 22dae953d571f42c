"""Comparisons with the baseline: values of scipy and of the literature, and no claim that the seeds do not carry."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.folders import Analysis, Case
from xprun.reports.stats.paired_over_seeds import (
    against_baseline,
    effect_size,
    holm,
    probability_of_improvement,
)

BASE = [0.50, 0.52, 0.48, 0.51, 0.49, 0.53]


def compared(analysis: Callable[..., Analysis], *cases: Case, baseline: str = "SGD", **options: str) -> pd.DataFrame:
    comparison, judged, _, ranking = analysis(*cases, baseline=baseline, **options)
    return against_baseline(judged, ranking, comparison)


def test_holms_procedure() -> None:
    """The example of Wikipedia's article on the procedure: 0.01, 0.04, 0.03, 0.005."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.5, np.nan, 0.9])), [1, np.nan, 1])
    assert holm(np.array([])).tolist() == []


def test_effect_size_is_the_paired_t_over_root_n() -> None:
    first, second = np.array([3.0, 5, 4, 6]), np.array([2.0, 5, 1, 4])
    assert effect_size(first - second) == pytest.approx(stats.ttest_rel(first, second).statistic / 2)
    assert np.isnan(effect_size(np.array([1.0, 1.0])))
    assert np.isnan(effect_size(np.array([1.0])))


@pytest.mark.parametrize("ascending", [False, True])
def test_probability_of_improvement_is_mann_whitneys(ascending: bool) -> None:
    first, second = np.array([1.0, 2, 2, 5, np.inf]), np.array([2.0, 3, 0, -np.inf])
    share = stats.mannwhitneyu(first, second).statistic / 20
    assert probability_of_improvement(first, second, ascending=ascending) == pytest.approx(
        1 - share if ascending else share
    )


def test_a_clear_difference_is_found(analysis: Callable[..., Analysis]) -> None:
    table = compared(analysis, Case("SGD", 0.1, BASE), Case("Adam", 0.1, [v + 0.1 for v in BASE]))
    row = table.iloc[0]
    assert (row["alternative"], row["n"], row["improvement"], row["finding"]) == ("Adam", 6, 1.0, "better")
    assert row["p"] == row["corrected"] == 2 / 64
    np.testing.assert_allclose(row[["difference", "low", "high"]].astype(float), 0.1)


def test_a_smaller_loss_is_better(analysis: Callable[..., Analysis]) -> None:
    table = compared(analysis, Case("SGD", 0.1, BASE), Case("Adam", 0.1, [v + 0.1 for v in BASE]), goal="min")
    assert table["finding"].tolist() == ["worse"]
    assert table["improvement"].tolist() == [0]


@pytest.mark.parametrize(("goal", "finding", "chance"), [("max", "better", 0.405), ("min", "worse", 0.595)])
def test_a_finding_has_the_direction_of_what_was_tested(
    analysis: Callable[..., Analysis], goal: str, finding: str, chance: float
) -> None:
    """Where a few seeds fail badly, the mean is better though most runs are slightly worse."""
    steady = Case("Adam", 0.1, [0.899] * 14 + [0.9] * 6)
    row = compared(analysis, Case("SGD", 0.1, [0.9] * 14 + [0.8] * 6), steady, goal=goal).iloc[0]
    assert row["difference"] == pytest.approx(0.0293)
    assert row["p"] == pytest.approx(2 / 64, abs=0.005)
    assert row["improvement"] == pytest.approx(chance)
    assert row["finding"] == finding


def test_ranks_give_the_direction_where_runs_are_bad(analysis: Callable[..., Analysis]) -> None:
    assert compared(analysis, Case("SGD", 0.1, BASE), Case("Adam", 1.0, [None] * 6))["finding"].tolist() == ["worse"]
    bad = compared(analysis, Case("SGD", 0.1, [None] * 6), Case("Adam", 1.0, BASE), name="other")
    assert bad["finding"].tolist() == ["better"]


def test_several_comparisons_are_corrected(analysis: Callable[..., Analysis]) -> None:
    better = [v + 0.1 for v in BASE]
    table = compared(analysis, Case("SGD", 0.1, BASE), Case("A", 0.1, better), Case("B", 0.1, better))
    assert table["corrected"].tolist() == [4 / 64, 4 / 64]
    assert table["finding"].tolist() == ["inconclusive"] * 2


@pytest.mark.parametrize("n", [1, 4])
def test_few_seeds_are_not_tested(analysis: Callable[..., Analysis], n: int) -> None:
    table = compared(analysis, Case("SGD", 0.1, [0.1] * n), Case("Adam", 0.1, [0.9] * n))
    assert table["p"].isna().all()
    assert table["finding"].tolist() == ["too few seeds"]


def test_only_common_seeds_are_paired(analysis: Callable[..., Analysis]) -> None:
    table = compared(analysis, Case("SGD", 0.1, [0.5, 0.7]), Case("Adam", 0.1, [0.6, 0.9, 0.0]))
    assert table["n"].tolist() == [2]
    np.testing.assert_allclose(table["difference"], [0.15])


def test_a_bad_run_is_worse_than_any(analysis: Callable[..., Analysis]) -> None:
    table = compared(analysis, Case("SGD", 0.1, BASE), Case("Adam", 1.0, [0.6, 0.63, 0.6, 0.64, 0.63, None]))
    row = table.iloc[0]
    assert (row["bad"], row["improvement"]) == (1, 5 / 6)
    assert row["p"] == pytest.approx(stats.wilcoxon([0.10, 0.11, 0.12, 0.13, 0.14, -99], mode="exact").pvalue)
    assert np.isnan(row["difference"])


def test_everything_diverged(analysis: Callable[..., Analysis]) -> None:
    table = compared(analysis, Case("SGD", 0.1, [None] * 5), Case("Adam", 0.1, [None] * 5))
    assert table[["improvement", "p"]].to_numpy().tolist() == [[0.5, 1.0]]
    assert table["finding"].tolist() == ["inconclusive"]


def test_a_single_alternative_has_no_one_to_compare_with(analysis: Callable[..., Analysis]) -> None:
    assert compared(analysis, Case("SGD", 0.1, BASE)).empty
    assert compared(analysis, Case("SGD", 0.1, BASE), baseline="Adam").empty
