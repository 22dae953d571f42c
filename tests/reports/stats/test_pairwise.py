"""Every pair of alternatives: values of scipy and of the literature, and no claim that the blocks do not carry."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.folders import Case
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import (
    Pair,
    effect_size,
    not_told_apart,
    over_blocks,
    over_problems,
    probability_of_improvement,
)

BASE = [0.50, 0.52, 0.48, 0.51, 0.49, 0.53]
Make = Callable[..., Analysis]


def against(analysis: Make, *cases: Case, **options: object) -> dict[str, Pair]:
    found = analysis(Case("SGD", 0.1, BASE), *cases, **options).pairwise.against("SGD")
    return {pair.first: pair for pair in found}


def test_effect_size_is_the_paired_t_over_root_n() -> None:
    first, second = np.array([3.0, 5, 4, 6]), np.array([2.0, 5, 1, 4])
    assert effect_size(first - second) == pytest.approx(stats.ttest_rel(first, second).statistic / 2)
    assert np.isnan(effect_size(np.array([1.0, 1.0])))
    assert np.isnan(effect_size(np.array([1.0])))


@pytest.mark.parametrize("ascending", [False, True])
def test_probability_of_improvement_is_mann_whitneys(ascending: bool) -> None:
    first, second = np.array([1.0, 2, 2, 5, np.inf]), np.array([2.0, 3, 0, -np.inf])
    share = stats.mannwhitneyu(first, second).statistic / 20
    found = probability_of_improvement(first, second, ascending=ascending)
    assert found == pytest.approx(1 - share if ascending else share)


@pytest.mark.parametrize("seed", range(6))
def test_the_p_value_of_a_pair_is_scipys(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(8, 2))
    pair = over_blocks(pd.DataFrame(values, columns=["A", "B"]), ascending=False).of("A", "B")
    theirs = stats.permutation_test(
        (values[:, 0] - values[:, 1],), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert pair.p == pair.adjusted == pytest.approx(theirs.pvalue)


def test_a_clear_difference_is_found(analysis: Make) -> None:
    pair = against(analysis, Case("Adam", 0.1, [v + 0.1 for v in BASE]))["Adam"]
    assert (pair.n, pair.wins, pair.losses, pair.improvement, pair.finding) == (6, 6, 0, 1.0, "better")
    assert pair.p == pair.adjusted == 2 / 64
    np.testing.assert_allclose([pair.difference, pair.low, pair.high], 0.1)


def test_a_smaller_loss_is_better(analysis: Make) -> None:
    pair = against(analysis, Case("Adam", 0.1, [v + 0.1 for v in BASE]), goal="min")["Adam"]
    assert (pair.finding, pair.improvement, pair.losses) == ("worse", 0, 6)


def test_turned_round_everything_is_the_opposite(analysis: Make) -> None:
    pairs = analysis(Case("SGD", 0.1, BASE), Case("Adam", 0.1, [0.6, 0.55, 0.6, 0.61, 0.6, 0.6])).pairwise
    one, other = pairs.of("Adam", "SGD"), pairs.of("SGD", "Adam")
    assert (one.finding, other.finding) == ("better", "worse")
    assert one.adjusted == other.adjusted
    assert (one.difference, one.low, one.high) == (-other.difference, -other.high, -other.low)


@pytest.mark.parametrize(("goal", "finding", "chance"), [("max", "better", 0.405), ("min", "worse", 0.595)])
def test_a_finding_has_the_direction_of_what_was_tested(analysis: Make, goal: str, finding: str, chance: float) -> None:
    """Where a few seeds fail badly, the mean is better though most runs are slightly worse."""
    cases = Case("SGD", 0.1, [0.9] * 14 + [0.8] * 6), Case("Adam", 0.1, [0.899] * 14 + [0.9] * 6)
    pair = analysis(*cases, goal=goal).pairwise.of("Adam", "SGD")
    assert pair.difference == pytest.approx(0.0293)
    assert pair.p == pytest.approx(2 / 64, abs=0.005)
    assert (pair.improvement, pair.finding) == (pytest.approx(chance), finding)


def test_ranks_give_the_direction_where_runs_are_bad(analysis: Make) -> None:
    assert against(analysis, Case("Adam", 1.0, [None] * 6))["Adam"].finding == "worse"
    pair = against(analysis, Case("Adam", 1.0, [0.6, 0.63, 0.6, 0.64, 0.63, None]), name="other")["Adam"]
    assert (pair.bad, pair.improvement) == (1, 5 / 6)
    assert pair.p == pytest.approx(stats.wilcoxon([0.10, 0.11, 0.12, 0.13, 0.14, -99], mode="exact").pvalue)
    assert np.isnan([pair.difference, pair.low, pair.shows]).all()


def test_several_pairs_are_corrected_together(analysis: Make) -> None:
    """The least p of all: every block has all three in the same order, and so have only all turned round."""
    steps = [Case("A", 0.1, [v + 0.1 for v in BASE]), Case("B", 0.1, [v + 0.2 for v in BASE])]
    pairs = analysis(Case("SGD", 0.1, BASE), *steps).pairwise
    assert {pairs.of(*two).adjusted for two in combinations(pairs.names, 2)} == {2 / 64}


def test_the_p_value_of_a_pair_alone_depends_on_no_other() -> None:
    random = np.random.default_rng(0)
    values = pd.DataFrame(random.normal(size=(9, 4)), columns=list("ABCD"))
    alone = over_blocks(values[["A", "B"]], ascending=False).of("A", "B")
    among = over_blocks(values, ascending=False).of("A", "B")
    assert alone.p == among.p
    assert alone.adjusted <= among.adjusted
    runs = [{name: random.normal(size=5) for name in "ABC"} for _ in range(8)]
    assert over_problems(runs, ["A", "B"]).of("A", "B").p == over_problems(runs, ["A", "B", "C"]).of("A", "B").p


@pytest.mark.parametrize("n", [1, 5])
def test_too_few_blocks_are_not_tested(analysis: Make, n: int) -> None:
    pair = analysis(Case("SGD", 0.1, BASE[:n]), Case("Adam", 0.1, [v + 0.4 for v in BASE[:n]])).pairwise.of(
        "Adam", "SGD"
    )
    assert (pair.tested, pair.finding) == (False, "inconclusive")
    np.testing.assert_allclose([pair.low, pair.high], 0.4)  # the differences themselves


def test_only_common_blocks_are_paired(analysis: Make) -> None:
    pair = against(analysis, Case("Adam", 0.1, [0.6, 0.7]))["Adam"]
    assert pair.n == 2
    assert pair.difference == pytest.approx(0.14)


def test_everything_diverged(analysis: Make) -> None:
    pair = analysis(Case("SGD", 0.1, [None] * 6), Case("Adam", 0.1, [None] * 6)).pairwise.of("Adam", "SGD")
    assert (pair.improvement, pair.p, pair.finding) == (0.5, 1.0, "identical")


def test_findings_say_what_is_true() -> None:
    random = np.random.default_rng(5)
    base = random.normal(0, 1, 10)
    noise = random.normal(0, 0.01, 10)
    table = pd.DataFrame({"A": base, "same": base, "near": base + noise - noise.mean(), "far": base + 5 + noise})
    pairs = over_blocks(table, ascending=False, tolerance=0.1)
    assert [pairs.of(name, "A").finding for name in ("same", "near", "far")] == [
        "identical",
        "practically equal",
        "better",
    ]
    without = over_blocks(table, ascending=False)
    assert without.of("near", "A").finding == "inconclusive"
    assert 0 < without.of("near", "A").shows < 0.05
    chosen = over_blocks(table, ascending=False, exploratory=True)
    assert {pair.finding for pair in chosen.against("A")} == {"identical", "exploratory"}
    assert not any(pair.tested for pair in chosen.against("A"))


def test_what_would_have_shown_would_have() -> None:
    values = np.random.default_rng(2).normal(size=(10, 2))
    values[:, 0] += values[:, 1].mean() - values[:, 0].mean() + 0.1
    pair = over_blocks(pd.DataFrame(values, columns=["A", "B"]), ascending=False).of("A", "B")
    assert pair.finding == "inconclusive"
    moved = values + np.array([pair.shows - pair.difference + 1e-6, 0])
    assert over_blocks(pd.DataFrame(moved, columns=["A", "B"]), ascending=False).of("A", "B").finding == "better"
    assert pair.blocks_needed == pytest.approx(10 * (pair.shows / 0.1) ** 2)


def test_several_problems_share_the_level() -> None:
    values = pd.DataFrame({"A": BASE, "B": [v + 0.1 for v in BASE]})
    pairs = over_blocks(values, ascending=False, families=2)
    assert pairs.of("B", "A").adjusted == 4 / 64
    assert pairs.of("B", "A").finding == "inconclusive"


def test_over_problems_the_wins_on_each_are_tested() -> None:
    runs = [{"A": np.array([2.0, 3.0]), "B": np.array([0.0, 1.0])} for _ in range(6)]
    runs[0]["B"] = np.array([2.5, 1.0])
    pair = over_problems(runs, ["A", "B"]).of("A", "B")
    assert (pair.wins, pair.ties, pair.losses, pair.finding) == (6, 0, 0, "better")
    assert pair.improvement == pytest.approx((5 + 0.75) / 6)
    assert pair.p == 2 / 64
    absent = over_problems([{"A": np.array([1.0])}] * 6, ["A", "B"]).of("A", "B")
    assert absent.improvement == 1.0


def test_stretches_that_cannot_be_told_apart() -> None:
    random = np.random.default_rng(0)
    means = {"A": 3.0, "B": 2.9, "C": 0.1, "D": 0.0}
    pairs = over_blocks(pd.DataFrame({n: m + random.normal(0, 0.3, 12) for n, m in means.items()}), ascending=False)
    assert not_told_apart(pairs, list(means)) == [(0, 1), (2, 3)]


def test_false_findings_are_as_rare_as_the_level_says() -> None:
    """Five alternatives that do not differ, heavy-tailed, ten blocks: any finding at all is a false one."""
    random = np.random.default_rng(11)
    found = 0
    for _ in range(400):
        table = pd.DataFrame(random.standard_t(2, size=(10, 5)), columns=list("ABCDE"))
        pairs = over_blocks(table, ascending=False)
        found += any(pairs.are_told_apart(*two) for two in combinations("ABCDE", 2))
    assert found / 400 < 0.08
