"""Ranking and selection: values, not shapes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.folders import Case, Parts
from xprun.reports import difference, verdict
from xprun.reports.data.results_folder import read_tables
from xprun.reports.stats.analysis import make_analysis
from xprun.reports.stats.ranking import at_edge, rank_alternatives, rank_settings

Make = Callable[..., Path]


def test_each_alternative_stands_at_its_best_setting(parts: Callable[..., Parts]) -> None:
    cases = [Case("SGD", 0.1, [0.6, 0.8]), Case("SGD", 0.01, [0.5, 0.5]), Case("Adam", 0.01, [0.9, 0.7])]
    _, _, _, ranking = parts(*cases)
    assert ranking["alternative"].tolist() == ["Adam", "SGD"]
    assert ranking["optimizer.lr"].tolist() == [0.01, 0.1]
    np.testing.assert_allclose(ranking["mean"], [0.8, 0.7])
    np.testing.assert_allclose(ranking["sd"], [np.sqrt(0.02), np.sqrt(0.02)])
    np.testing.assert_allclose(ranking[["low", "high"]], [[0.7, 0.9], [0.6, 0.8]])
    assert ranking[["rank", "n", "tried", "all_runs"]].to_numpy().tolist() == [[1, 2, 1, 2], [2, 2, 2, 4]]


def test_a_smaller_value_wins_when_the_goal_is_min(parts: Callable[..., Parts]) -> None:
    _, _, _, ranking = parts(Case("SGD", 0.1, [0.6]), Case("SGD", 0.01, [0.5]), Case("Adam", 0.1, [0.7]), goal="min")
    assert ranking["alternative"].tolist() == ["SGD", "Adam"]
    assert ranking["mean"].tolist() == [0.5, 0.7]


def test_one_diverged_seed_puts_a_setting_last(parts: Callable[..., Parts]) -> None:
    _, _, summary, ranking = parts(Case("SGD", 1.0, [0.99, 0.99, None]), Case("SGD", 0.1, [0.2, 0.2, 0.2]))
    assert ranking["optimizer.lr"].tolist() == [0.1]
    assert ranking[["all_bad", "all_runs"]].to_numpy().tolist() == [[1, 6]]
    last = summary.iloc[-1]
    assert (last["optimizer.lr"], last["bad"], last["diverged"], last["n"]) == (1.0, 1, 1, 2)
    assert last[["mean", "sd", "low", "high"]].isna().all()


def test_fewer_bad_runs_come_before_more(parts: Callable[..., Parts]) -> None:
    _, _, _, ranking = parts(Case("A", 1.0, [None, None]), Case("B", 1.0, [0.1, None]), Case("C", 1.0, [0.0, 0.0]))
    assert ranking["alternative"].tolist() == ["C", "B", "A"]
    assert ranking["rank"].tolist() == [1, 2, 2]


def test_equals_share_a_rank_in_the_order_of_the_runs(parts: Callable[..., Parts]) -> None:
    _, _, _, ranking = parts(Case("B", 0.1, [0.5]), Case("A", 0.1, [0.5]), Case("C", 0.1, [0.4]), Case("D", 0.1, [0.9]))
    assert ranking["alternative"].tolist() == ["D", "B", "A", "C"]
    assert ranking["rank"].tolist() == [1, 2, 2, 4]


def test_one_seed_has_no_spread(parts: Callable[..., Parts]) -> None:
    _, _, _, ranking = parts(Case("SGD", 0.1, [0.5]))
    assert ranking["n"].tolist() == [1]
    assert ranking["sd"].isna().all()


def test_all_diverged_share_the_only_rank(parts: Callable[..., Parts]) -> None:
    _, _, _, ranking = parts(Case("SGD", 0.1, [None]), Case("Adam", 0.1, [None]))
    assert ranking["rank"].tolist() == [1, 1]
    assert ranking["mean"].isna().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_done_without_a_finite_value_is_no_success(parts: Callable[..., Parts], value: float) -> None:
    _, judged, _, _ = parts(Case("SGD", 0.1, [0.5, value]))
    assert judged["bad"].tolist() == [False, True]


def test_what_varies_within_an_alternative_is_a_setting(parts: Callable[..., Parts]) -> None:
    cases = [Case("SGD", 0.1, [v], {"optimizer.nesterov": flag}) for v, flag in ((0.5, True), (0.7, False))]
    comparison, _, summary, _ = parts(*cases)
    assert comparison.keys == ["optimizer.nesterov"]
    assert summary["optimizer.nesterov"].tolist() == [False, True]


def test_another_section_with_alternatives_is_a_problem(parts: Callable[..., Parts]) -> None:
    cases = [Case("SGD", 0.1, [v], {"model": name}) for v, name in ((0.5, "small"), (0.7, "large"))]
    comparison, _, _, _ = parts(*cases)
    assert comparison.problems == ["model"]
    assert comparison.keys == ["model"]  # so that both are told apart in the table of all runs


def test_two_sections_make_one_alternative(parts: Callable[..., Parts]) -> None:
    cases = [Case("SGD", 0.1, [v], {"model": name}) for v, name in ((0.5, "small"), (0.7, "large"))]
    _, _, _, ranking = parts(*cases, by=["model", "optimizer"])
    assert ranking["alternative"].tolist() == ["large · SGD", "small · SGD"]


def test_edges_of_a_sweep_are_found(parts: Callable[..., Parts]) -> None:
    grid = [Case("A", lr, [lr]) for lr in (0.1, 0.2, 0.3)] + [Case("B", lr, [-abs(lr - 0.2)]) for lr in (0.1, 0.2, 0.3)]
    pair = [Case("C", lr, [lr]) for lr in (0.1, 0.2)]
    _, _, summary, ranking = parts(*grid, *pair)
    assert at_edge(summary, ranking, "optimizer.lr").to_numpy().tolist() == [["A", 0.3, "largest"]]


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("goal", ["min", "max"])
def test_a_value_that_is_not_finite_is_the_worst_everywhere(make_folder: Make, goal: str, value: float) -> None:
    cases = [Case("wild", 0.1, [value, value]), Case("calm", 0.1, [0.5, 0.6]), Case("lost", 0.1, [None, None])]
    folder, calm = make_folder(cases, goal=goal), make_folder(cases[1:2], goal=goal, name="calm")
    tables = read_tables(folder)
    notebook = rank_settings(tables)
    page = make_analysis(tables).ranking
    assert notebook["optimizer"].tolist() == page["alternative"].tolist() == ["calm", "wild", "lost"]
    assert notebook["ended"].tolist() == [2, 0, 0]
    assert verdict(folder).startswith("calm has the best mean valid.accuracy, 0.550")
    now = make_folder([Case("calm", 0.1, [value] * 2)], name="now")
    assert "2 of 2 now fail or diverge" in difference(calm, now).text


def test_a_notebook_ranks_settings_within_each_problem(make_folder: Make) -> None:
    cases = [
        Case(name, lr, [value, value], {"data": data})
        for data, values in (("easy", [0.9, 0.8, 0.7]), ("hard", [0.1, 0.3, 0.2]))
        for (name, lr), value in zip([("A", 0.1), ("A", 0.2), ("B", 0.1)], values, strict=True)
    ]
    table = rank_settings(read_tables(make_folder(cases, problems=["data"])))
    assert list(table) == ["data", "optimizer", "optimizer.lr", "final.valid.accuracy", "sd", "ended", "runs"]
    assert table["data"].tolist() == ["easy"] * 3 + ["hard"] * 3
    assert table["final.valid.accuracy"].tolist() == [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]
    assert table["optimizer"].tolist() == ["A", "A", "B", "A", "B", "A"]


def test_alternatives_are_those_of_the_page(make_folder: Make) -> None:
    cases = [
        Case("A", 0.1, [0.9, 0.9], fresh=[0.5, 0.6]),
        Case("A", 0.2, [0.8, 0.8]),
        Case("B", 0.1, [0.7, 0.7], fresh=[0.7, 0.8]),
        Case("C", 0.1, [None, None]),
    ]
    tables = read_tables(make_folder(cases))
    table = rank_alternatives(tables)
    assert table["optimizer"].tolist() == make_analysis(tables).ranking["alternative"].tolist() == ["B", "A", "C"]
    assert table["final.valid.accuracy"].round(9).tolist()[:2] == [0.75, 0.55]
    assert table["stage"].tolist() == ["confirm", "confirm", "search"]
    assert table[["ended", "runs", "rank"]].to_numpy().tolist() == [[2, 2, 1], [2, 2, 2], [0, 2, 3]]
