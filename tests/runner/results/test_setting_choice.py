"""Settings are chosen by one rule, whoever chooses."""

from __future__ import annotations

import math
import random

import pandas as pd
import pytest
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.stats.ranking import judge, summarise
from xprun.runner.results.results_schema import DIVERGED, DONE, FAILED, STATUS, Goal, ResultsSchema, final
from xprun.runner.results.results_schema import Comparison as Planned
from xprun.runner.results.setting_choice import choose, merit

NAN = math.nan


def test_a_setting_whose_runs_fail_comes_after_one_whose_runs_do_not() -> None:
    assert choose({"sound": [0.1, 0.1], "frail": [0.9, NAN]}, "max") == "sound"
    assert choose({"frail": [0.9, NAN], "frailer": [0.99, NAN, NAN]}, "max") == "frail"


def test_the_better_mean_is_chosen_by_either_goal() -> None:
    assert choose({"a": [0.2, 0.4], "b": [0.35, 0.35]}, "max") == "b"
    assert choose({"a": [0.2, 0.4], "b": [0.35, 0.35]}, "min") == "a"


def test_of_settings_that_fail_alike_the_rest_of_their_runs_tells() -> None:
    assert choose({"a": [0.2, NAN], "b": [0.1, math.inf]}, "min") == "b"


def test_the_first_of_equals_is_chosen_however_their_sums_are_rounded() -> None:
    assert choose({"first": [0.1, 0.2, 0.3], "second": [0.3, 0.2, 0.1]}, "max") == "first"
    assert choose({"second": [0.3, 0.2, 0.1], "first": [0.1, 0.2, 0.3]}, "max") == "second"


def test_nothing_is_chosen_where_no_run_ended_well() -> None:
    assert choose({"a": [NAN], "b": [math.inf, -math.inf]}, "min") is None


def test_huge_values_have_a_mean() -> None:
    assert merit([1e308, 1e308], "min") == (0.0, 1e308)


@pytest.mark.parametrize("goal", ["min", "max"])
def test_pages_choose_the_setting_that_the_second_stage_is_for(goal: Goal) -> None:
    chance = random.Random(0)
    comparison = Comparison(
        metric="valid.loss", goal=goal, by=["optimizer"], schema=ResultsSchema(Planned("valid.loss", goal)), keys=["lr"]
    )
    for _ in range(200):
        rows = [
            {"run": f"{lr} {seed}", "optimizer": "A", "lr": lr, "seed": seed, **ending(chance)}
            for lr in range(chance.randint(1, 5))
            for seed in range(chance.randint(1, 4))
        ]
        summary = summarise(judge(pd.DataFrame(rows), comparison), comparison)
        values: dict[int, list[float]] = {}
        for row in rows:
            values.setdefault(int(row["lr"]), []).append(float(row[final("valid.loss")]))
        chosen = choose(values, goal)
        best = summary.iloc[0]
        assert chosen == (None if best["bad"] == best["runs"] else best["lr"])
        assert list(summary["lr"]) == sorted(values, key=lambda lr: merit(values[lr], goal))


def ending(chance: random.Random) -> dict[str, object]:
    """One end of a run: few values, so that there are ties."""
    status = chance.choice([DONE, DONE, DONE, DONE, DIVERGED, FAILED])
    value = chance.choice([0.1, 0.2, 0.1 + 0.2, 0.3, -1.0, NAN, math.inf]) if status == DONE else NAN
    return {STATUS: status, "seconds": 1.0, final("valid.loss"): value}
