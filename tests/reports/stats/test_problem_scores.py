"""Several problems: ranks, scores, intervals and profiles, with values worked out by hand or by scipy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.folders import Case
from xprun.reports import verdict, write_report
from xprun.reports.data.results_folder import read_tables
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.stats.performance_profiles import performance_profile, score_profile
from xprun.reports.stats.problem_scores import averages_over, rank_table, scores
from xprun.reports.text.problem_findings import take_together, verdict_over

Make = Callable[..., Path]
Values = list[float | None]


def on(problem: str, **values: Values) -> list[Case]:
    """One setting of each alternative on a problem."""
    return [Case(name, 0.1, runs, {"data": problem}) for name, runs in values.items()]


def studied(make_folder: Make, *cases: list[Case], **options: Any) -> Analysis:
    return make_analysis(read_tables(make_folder([case for group in cases for case in group], **options)))


def scored(analysis: Analysis) -> pd.DataFrame:
    judged = {label: part.finals for label, part in analysis.problems.items()}
    return scores(judged, analysis.order, analysis.comparison)


def test_each_problem_chooses_its_own_best_setting(make_folder: Make) -> None:
    cases = [
        *(Case("A", lr, [lr], {"data": "easy"}) for lr in (0.1, 0.9)),
        *(Case("A", lr, [1 - lr], {"data": "hard"}) for lr in (0.1, 0.8)),
    ]
    analysis = studied(make_folder, cases)
    assert {k: part.ranking["optimizer.lr"].tolist() for k, part in analysis.problems.items()} == {
        "easy": [0.9],
        "hard": [0.1],
    }
    assert {tuple(part.comparison.keys) for part in analysis.problems.values()} == {("optimizer.lr",)}


def test_seeds_and_settings_are_no_problems(make_folder: Make) -> None:
    assert not studied(make_folder, [Case("A", lr, [0.1, 0.2]) for lr in (0.1, 0.2)]).problems


def test_any_section_can_be_compared_on_the_others(make_folder: Make) -> None:
    cases = [Case(rule, 0.1, [0.5], {"model": model}) for rule in ("A", "B") for model in ("small", "large")]
    assert list(studied(make_folder, cases, by=["model"]).problems) == ["A", "B"]
    assert list(studied(make_folder, cases, by=["optimizer"]).problems) == ["small", "large"]
    assert not studied(make_folder, cases, by=["optimizer", "model"]).problems


def test_ranks_of_equals_and_of_those_that_failed(make_folder: Make) -> None:
    analysis = studied(
        make_folder,
        on("one", A=[0.9], B=[0.9], C=[None], D=[0.1]),
        on("two", A=[0.9], B=[None], C=[None]),
    )
    table = rank_table({label: part.ranking for label, part in analysis.problems.items()})
    assert table.loc["one"].to_dict() == {"A": 1, "B": 1, "D": 3, "C": 4}
    assert table.loc["two"].to_dict() == {"A": 1, "B": 2, "C": 2, "D": 2}  # D was not run
    assert list(table) == ["A", "B", "D", "C"]


def test_scores_lie_between_the_worst_and_the_best_run(make_folder: Make) -> None:
    analysis = studied(make_folder, on("one", A=[3.0, 2.0], B=[1.0, None]), on("two", A=[5.0]), goal="min")
    table = scored(analysis).groupby(["problem", "alternative"])["score"].apply(list)
    assert table["one", "A"] == [0.0, 0.5]
    assert table["one", "B"] == [1.0, 0.0]
    assert table["two", "B"] == [0.0]


def test_scores_of_decades_are_logarithmic(make_folder: Make) -> None:
    analysis = studied(make_folder, on("one", A=[1e-4], B=[1e-2], C=[1.0]), on("two", A=[1.0]), goal="min")
    table = scored(analysis)
    assert table.loc[table["problem"] == "one", "score"].tolist() == pytest.approx([1, 0.5, 0])


def test_averages_over_problems_count_each_alike() -> None:
    random = np.random.default_rng(3)
    groups = [random.normal(0.2, 0.05, 12), random.normal(0.8, 0.05, 8)]
    table = pd.concat(
        pd.DataFrame({"problem": i, "alternative": "A", "score": values}) for i, values in enumerate(groups)
    )
    found = averages_over(table, ["A"]).loc["A"]
    assert found["iqm"] == pytest.approx(stats.trim_mean(np.concatenate(groups), 0.25))
    assert found["mean"] == pytest.approx((groups[0].mean() + groups[1].mean()) / 2)
    plain = stats.bootstrap((np.concatenate(groups),), np.mean, method="percentile", rng=1).confidence_interval
    assert found["mean_high"] - found["mean_low"] < 0.5 * (plain.high - plain.low)  # between problems nothing varies


def test_one_seed_of_each_problem_has_no_interval(make_folder: Make) -> None:
    table = averages_over(scored(studied(make_folder, on("one", A=[1.0], B=[0.0]), on("two", A=[0.5], B=[0.7]))), ["A"])
    assert table.loc["A", ["mean", "median", "iqm"]].tolist() == [0.5, 0.5, 0.5]
    assert table[["mean_low", "mean_high"]].isna().all(axis=None)


def ten(make_folder: Make, **options: Any) -> Analysis:
    """A beats B, and B beats C, on all but one of the problems."""
    cases = [on(f"p{i}", A=[0.9 + i / 100], B=[0.8 + i / 100], C=[0.7 + i / 100]) for i in range(9)]
    return studied(make_folder, *cases, on("odd", A=[0.1], B=[0.2], C=[0.3]), **options)


def test_against_the_baseline_over_problems(make_folder: Make) -> None:
    pair = take_together(ten(make_folder)).pairwise.of("A", "C")
    assert (pair.wins, pair.ties, pair.losses) == (9, 0, 1)
    assert pair.p == 22 / 1024  # of all signs: at most one against the others
    assert pair.finding == "better"


def test_a_finding_over_problems_is_about_how_often_one_is_better(make_folder: Make) -> None:
    analysis = studied(make_folder, *[on(f"p{i}", A=[0.95] * 3, B=[1.0, 1.0, 0.0]) for i in range(6)], baseline="B")
    pair = take_together(analysis).pairwise.of("A", "B")
    assert (pair.improvement, pair.p, pair.finding) == (pytest.approx(1 / 3), 2 / 64, "worse")


def test_few_problems_are_not_tested(make_folder: Make) -> None:
    analysis = studied(make_folder, *[on(f"p{i}", A=[0.9] * 9, B=[0.8] * 9) for i in range(5)])
    overall = take_together(analysis)
    assert not overall.is_tested
    assert overall.pairwise.of("A", "B").finding == "inconclusive"
    assert "5 problems cannot separate them; at least 6 are needed" in verdict_over(analysis, overall)


def test_a_single_alternative_and_nothing_but_failures(make_folder: Make) -> None:
    alone = studied(make_folder, *[on(f"p{i}", A=[0.9]) for i in range(6)], name="alone")
    assert take_together(alone).names == ["A"]
    failed = studied(make_folder, *[on(f"p{i}", A=[None], B=[None], C=[None]) for i in range(6)], name="failed")
    assert take_together(failed).pairwise.of("A", "B").finding == "identical"
    assert take_together(failed).ranks.to_numpy().tolist() == [[1, 1, 1]] * 6


def test_a_performance_profile() -> None:
    costs = pd.DataFrame({"A": [1.0, 2, 4, np.inf], "B": [2.0, 2, 1, np.inf]})
    table = performance_profile(costs)

    def share(name: str, x: float) -> float:
        rows = table[(table["alternative"] == name) & (table["x"] <= x)]
        return float(rows["share"].iloc[-1])

    assert [share("A", x) for x in (1, 2, 3.9, 4)] == [0.5, 0.5, 0.5, 0.75]
    assert [share("B", x) for x in (1, 1.9, 2, 4)] == [0.5, 0.5, 0.75, 0.75]  # the problem that nobody solves counts
    assert table["x"].min() == 1


def test_a_profile_where_nobody_solves_anything() -> None:
    table = performance_profile(pd.DataFrame({"A": [np.inf], "B": [np.nan]}))
    assert (table["share"] == 0).all()


def test_what_fails_on_a_problem_leaves_the_profile_one_of_ratios(make_folder: Make) -> None:
    values: dict[str, list[Values]] = {"A": [[0.2], [0.3]], "B": [[0.3], [None]], "C": [[None], [None]]}
    cases = [on(f"p{i}", **{name: runs[i] for name, runs in values.items()}) for i in range(2)]
    folder = make_folder([case for group in cases for case in group], goal="min")
    write_report(folder)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "Share of problems on which the final valid.accuracy is within a factor of the best." in markdown
    assert "At the best: A 100%, B 0% and C 0%" in markdown


def test_problems_count_alike_in_a_score_profile() -> None:
    rows = [("one", "A", False, 1.0), *[("two", "A", False, 0.5)] * 3, ("two", "A", True, 0.0)]
    table = score_profile(pd.DataFrame(rows, columns=["problem", "alternative", "bad", "score"]))
    assert table[["x", "share"]].to_numpy().tolist() == [[0, 0.5], [0.5, 0.875], [1, 0.875]]


def test_the_verdict_over_problems(make_folder: Make) -> None:
    said = verdict(make_folder([c for i in range(6) for c in on(f"p{i}", A=[0.9], B=[0.8], C=[0.7])], name="clear"))
    assert said == (
        "A has the best mean rank over 6 problems, 1.00 (best on 6 of 6), ahead of B with 2.00; it is better than B "
        "and every other (p = 0.047 against B, for 6 problems)."
    )
    mixed = [c for i in range(6) for c in on(f"p{i}", A=[0.9], B=[0.95 if i == 0 else 0.8], C=[0.7])]
    said = verdict(make_folder(mixed, name="mixed"))
    assert said.startswith(
        "No clear winner: A has the best mean rank over 6 problems, 1.17 (best on 5 of 6), ahead of B"
    )
    assert said.endswith("it cannot be told apart from any other (p = 0.56 against B, for 6 problems).")
    few = verdict(make_folder([c for i in range(2) for c in on(f"p{i}", A=[0.9], B=[0.8])], name="few"))
    assert few.endswith("ahead of B with 2.00; 2 problems cannot separate them; at least 6 are needed.")
    two = verdict(make_folder([c for i in range(6) for c in on(f"p{i}", A=[0.9], B=[0.8])], name="two"))
    assert two.startswith("A has the best mean rank")
    assert two.endswith("it is better than B (p = 0.047 against B, for 6 problems).")
    tie = verdict(make_folder([*on("p0", A=[0.9], B=[0.8]), *on("p1", A=[0.8], B=[0.9])], name="tie"))
    assert tie.startswith(
        "A and B tie over 2 problems: each is best on 1 of 2 (mean rank 1.50); 2 problems cannot separate"
    )


def test_where_nothing_ended_well_nothing_is_best(make_folder: Make) -> None:
    folder = make_folder([case for i in range(6) for case in on(f"p{i}", A=[None], B=[None])])
    assert verdict(folder).startswith("All runs failed or diverged")


def test_the_page_of_several_problems(make_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("page.report_page", "sections.problems_section"):
        monkeypatch.setattr(f"xprun.reports.{module}.DETAILED", 2)
    cases = [c for i in range(6) for c in on(f"set {i}", A=[0.9, 0.8], B=[0.8, None], C=[0.5, 0.6])]
    folder = make_folder([*cases, Case("D", 0.1, [0.1], {"data": "set 0"})], baseline="C")
    names = [path.relative_to(folder).as_posix() for path in write_report(folder)]
    curves = {name for name in names if "curve" in name}
    assert curves == {"plots/1-curve-valid.accuracy.png", "plots/2-curve-valid.accuracy.png"}  # of many, only these
    assert {"plots/profile.png", "plots/ranks.png"} <= set(names)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "| A | 1.00 | 6 of 6 |" in markdown
    assert "| set 1 | 0.850 ± 0.071 (1) | 0.550 ± 0.071 (2) | not run | 1 of 2 diverged (3) |" in markdown
    assert "Not run on every problem, and ranked last where missing: D (1 of 6)." in markdown
    assert "Plots are drawn for the first 2 problems only; the other 4 are in the tables." in markdown
    assert "## set 1" in markdown
    assert "## set 5" not in markdown
    assert "| A | 6, 0, 0 | 100% | 100% | 0.047 | better |" in markdown
