"""Time to the target counts every run, and seconds only where they mean something."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.folders import Case, Parts
from xprun.reports.stats.distributions import shares
from xprun.reports.stats.steps_to_target import amortised, reached_shares, steps_to_target, time_to_target


def test_a_target_not_reached_is_infinitely_far(parts: Callable[..., Parts]) -> None:
    comparison, judged, _, _ = parts(Case("SGD", 0.1, [0.9, 0.9, None]), target=0.8)
    history = pd.DataFrame(
        {"run": judged["run"].repeat(2), "metric": "valid.accuracy", "step": [10, 20] * 3, "value": [0.7, 0.8] * 3}
    )
    history.loc[history["run"] == judged["run"][1], "value"] = 0.1
    assert steps_to_target(history, judged, comparison).tolist() == [20, np.inf, np.inf]


def test_the_untrained_model_takes_no_step_to_the_target(parts: Callable[..., Parts]) -> None:
    comparison, judged, _, _ = parts(Case("SGD", 0.1, [0.9, 0.9]), target=0.8)
    history = pd.DataFrame(
        {"run": judged["run"].repeat(2), "metric": "valid.accuracy", "step": [0, 20] * 2, "value": [0.9, 0.9, 0.9, 0.1]}
    )
    assert steps_to_target(history, judged, comparison).tolist() == [20, np.inf]
    assert steps_to_target(history, judged.assign(steps=0), comparison).tolist() == [0, 0]


def reached_at(judged: pd.DataFrame, *steps: int | None) -> pd.DataFrame:
    """A history in which each run reaches 0.8 at this step, or never."""
    rows = [
        (run, step or 1, "valid.accuracy", 0.8 if step else 0.1) for run, step in zip(judged["run"], steps, strict=True)
    ]
    return pd.DataFrame(rows, columns=["run", "step", "metric", "value"])


def test_medians_count_failures_as_infinitely_long(parts: Callable[..., Parts]) -> None:
    cases = [Case("A", 0.1, [0.9, 0.9, None]), Case("B", 0.1, [0.9, None, None])]
    comparison, judged, _, _ = parts(*cases, target=0.8)
    table = time_to_target(reached_at(judged, 10, 20, 7, 10, 7, 7), judged, comparison)
    assert table["reached"].tolist() == [2, 1]
    assert table["steps"].tolist() == [20, np.inf]
    np.testing.assert_allclose(table["seconds"], [0.05 * 20 / 40, np.inf])


def test_runs_trained_together_have_no_seconds_to_the_target(parts: Callable[..., Parts]) -> None:
    cases = [Case("A", 0.1, [0.9], {"together": 8}), Case("B", 0.1, [0.9], {"together": 1})]
    comparison, judged, _, _ = parts(*cases, target=0.8)
    table = time_to_target(reached_at(judged, 10, 10), judged, comparison)
    assert amortised(judged).tolist() == [True, False]
    assert table["steps"].tolist() == [10, 10]
    np.testing.assert_allclose(table["seconds"], [np.nan, 0.05 * 10 / 40])


def test_shares_are_the_empirical_distribution() -> None:
    values = np.array([3.0, 1.0, 3.0, np.inf, np.nan])
    table = shares(pd.Series(values), pd.Series(["A"] * 5), 0.0, 9.0)
    theirs = stats.ecdf(values[np.isfinite(values)]).cdf
    for x in (0, 1, 2, 3, 9):
        assert table.loc[table["x"] <= x, "share"].iloc[-1] == pytest.approx(theirs.evaluate(x) * 3 / 5)
    assert table["x"].tolist() == [0, 1, 3, 9]


def test_nobody_has_arrived_where_all_diverged() -> None:
    table = shares(pd.Series([np.inf, np.inf]), pd.Series(["A", "A"]), 0.0, 9.0)
    assert table[["x", "share"]].to_numpy().tolist() == [[0, 0], [9, 0]]


def test_runs_that_never_reach_the_target_stay_below_the_staircase(parts: Callable[..., Parts]) -> None:
    comparison, judged, _, _ = parts(Case("A", 0.1, [0.9, 0.9, None]), Case("B", 0.1, [0.9]), target=0.8)
    table = reached_shares(reached_at(judged, 10, 20, 7, 10), judged, comparison)
    found = {name: rows[["x", "share"]].to_numpy().tolist() for name, rows in table.groupby("alternative")}
    assert found == {
        "A": [[0, 0], [10, 1 / 3], [20, 2 / 3], [40, 2 / 3]],
        "B": [[0, 0], [10, 1], [40, 1]],
    }
