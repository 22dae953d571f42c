"""The scoreboard over problems with metrics of their own, with values worked out by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.folders import Case
from xprun.reports.data.results_folder import Tables, read_tables
from xprun.reports.presentation.style import theme
from xprun.reports.sections.problems_section import overall_sections, short_section
from xprun.reports.sections.scoreboard_section import diagnostics_listing, scoreboard_listing
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.stats.ranking import rank_alternatives
from xprun.reports.stats.scoreboard import diagnostics, standings, titles_of
from xprun.reports.text.candidate_findings import candidate_findings, candidate_standings
from xprun.reports.text.problem_findings import take_together

Make = Callable[..., Path]
SEEDS = 10


def around(value: float, lowest: float = 0.0) -> list[float | None]:
    return [value + lowest + i / 1000 for i in range(SEEDS)]


def case(name: str, lr: float, problem: str, value: float) -> Case:
    """A setting on a problem: about this accuracy, and a loss of what is missing to 1."""
    fresh = around(value)
    return Case(name, lr, [value, value], {"data": problem, "best.loss": 1 - value}, fresh)


def tables(make_folder: Make, cases: list[Case]) -> Tables:
    """Tables in which `steep` is judged by the loss, with a target that makes it a diagnostic, others by accuracy."""
    found = read_tables(make_folder(cases))
    plain = replace(found.schema.comparison, problems=["data"])
    steep = replace(plain, metric="loss", goal="min", target=0.3)
    labels = list(dict.fromkeys(found.runs["data"]))
    return replace(
        found,
        schema=replace(
            found.schema, comparison=plain, by_problem={name: steep if name == "steep" else plain for name in labels}
        ),
        resolved=found.resolved
        | {
            "defaults": {"A": {"optimizer.lr": 0.1}, "B": {"optimizer.lr": 0.1}},
            "problems": [{"label": "steep", "title": "Steps must be small."}],
        },
    )


def analysis_of(make_folder: Make, first: str = "A", second: str = "B") -> Analysis:
    cases = [
        case(first, 0.1, "easy", 0.5),
        case(first, 0.5, "easy", 0.8),
        case(second, 0.1, "easy", 0.6),
        case(first, 0.1, "steep", 0.8),
        case(second, 0.1, "steep", 0.2),
    ]
    chosen = [
        replace(c, fresh=[]) if c.lr == 0.1 and c.label == first and c.more["data"] == "easy" else c for c in cases
    ]
    return make_analysis(tables(make_folder, chosen))


def test_wins_and_losses_are_counted_on_each_problem_by_its_own_metric(make_folder: Make) -> None:
    best, other = standings(analysis_of(make_folder))
    assert (best.name, best.rank, best.mean_rank) == ("A", 1, 1.0)
    assert (best.wins, best.ties, best.losses) == (2, 0, 0)
    assert (other.name, other.rank, other.wins, other.ties, other.losses) == ("B", 2, 0, 0, 2)


def test_a_target_of_the_training_loss_is_passed_or_failed(make_folder: Make) -> None:
    best, other = standings(analysis_of(make_folder))
    assert (best.passed, best.failed) == (["steep"], [])
    assert (other.passed, other.failed) == ([], ["steep"])
    analysis = analysis_of(make_folder)
    listing = diagnostics_listing(diagnostics(analysis), ["A", "B"], titles_of(analysis))
    assert listing.head == ["diagnostic", "looks at", "A", "B"]
    assert listing.rows == [("steep", "Steps must be small.", "passed", "failed")]


def test_what_tuning_is_worth(make_folder: Make) -> None:
    best, other = standings(analysis_of(make_folder))
    low, high = 0.6, 0.809  # of the accuracies on fresh seeds
    easy = {"A": (np.mean(around(0.8)) - low) / (high - low), "B": (np.mean(around(0.6)) - low) / (high - low)}
    steep_low, steep_high = 0.191, 0.8  # of the losses
    losses = {name: np.mean([1 - value for value in around(accuracy)]) for name, accuracy in (("A", 0.8), ("B", 0.2))}
    steep = {name: 1 - (loss - steep_low) / (steep_high - steep_low) for name, loss in losses.items()}
    assert best.score == pytest.approx((easy["A"] + steep["A"]) / 2)
    assert other.score == pytest.approx((easy["B"] + steep["B"]) / 2)
    untuned = 1 - (0.2 - steep_low) / (steep_high - steep_low)
    assert best.default == pytest.approx((0.0 + untuned) / 2)  # at 0.1 it is worse on `easy` than all that was chosen
    assert best.tried == 2


def test_swapping_the_labels_of_two_changes_nothing_else(make_folder: Make, tmp_path: Path) -> None:
    def told(first: str, second: str) -> list[tuple[object, ...]]:
        rows = standings(analysis_of(make_folder, first, second))
        return [(one.rank, one.wins, one.ties, one.losses, round(one.score, 12), one.passed) for one in rows]

    assert told("A", "B") == told("B", "A")


def test_two_equal_ones_tie(make_folder: Make) -> None:
    cases = [case(name, 0.1, problem, 0.5) for problem in ("easy", "steep") for name in ("A", "B")]
    first, second = standings(make_analysis(tables(make_folder, cases)))
    assert (first.rank, first.ties, first.wins) == (second.rank, second.ties, second.wins) == (1, 2, 0)


def test_the_words_of_a_bench(make_folder: Make) -> None:
    (found,) = candidate_findings(analysis_of(make_folder), ["B"])
    assert found["text"].splitlines() == [
        "B on 2 problems, confirmed on 10 fresh seeds: rank 2 of 2 (behind A; cannot be told apart from any other)",
        "  passes 0 of 1 diagnostic; fails: steep",
    ]
    assert (found["rank"], found["passes"], found["fails"]) == (2, 0, 1)
    assert "default" not in found and 0 <= found["untuned_score"] <= 1


def test_the_first_screen_says_where_those_stand_that_it_is_about(make_folder: Make) -> None:
    analysis = analysis_of(make_folder)
    assert candidate_standings(analysis) == []
    about_both = replace(analysis, comparison=replace(analysis.comparison, candidates=["B", "A"]))
    assert candidate_standings(about_both) == [
        ("A", "rank 1 of 2, passes 1 of 1 diagnostic; cannot be told apart from any other."),
        ("B", "rank 2 of 2, passes 0 of 1 diagnostic; cannot be told apart from any other."),
    ]


def test_the_sections_of_the_page(make_folder: Make) -> None:
    analysis = analysis_of(make_folder)
    with theme():
        sections = {section.id: section for section in overall_sections(analysis, take_together(analysis))}
    assert list(sections)[:2] == ["scoreboard", "diagnostics"]
    assert sections["scoreboard"].pictures[0].alt.startswith("Mean scores: A 0.")
    assert scoreboard_listing(analysis).head == [
        "alternative", "rank", "mean rank", "wins, ties, losses", "score", "untuned", "passes"
    ]  # fmt: skip
    short = short_section(analysis.problems["steep"], "steep")
    assert (short.title, short.pictures) == ("steep", [])


def test_a_notebook_sees_which_metric_a_mean_is_of(make_folder: Make) -> None:
    cases = [case(name, 0.1, problem, 0.5) for problem in ("easy", "steep") for name in ("A", "B")]
    table = rank_alternatives(with_problem_column(tables(make_folder, cases)))
    assert table.groupby("data")["metric"].first().to_dict() == {"easy": "valid.accuracy", "steep": "loss"}


def with_problem_column(found: Tables) -> Tables:
    return replace(found, runs=found.runs.assign(problem=found.runs["data"]))
