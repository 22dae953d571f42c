"""Runs are compared by the time that they take to a target: from what is stored, with nothing trained again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.training import MakePlan
from xprun.results import open_results
from xprun.runner.cli.main import main
from xprun.running import run as run_spec

SPEC = """
data = { name = "digits", valid = 0.2, test = 0.1, batch_size = 64 }
model = { layers = [{ name = "Linear", in_features = 64, out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
run = { epochs = 4, seeds = 2, metrics = ["accuracy"] }
confirm = { seeds = 2 }
[[optimizer]]
name = "SGD"
lr = { grid = [1e-6, 0.1, 0.3] }
[[optimizer]]
name = "Adam"
lr = { grid = [0.01, 0.003] }
[compare]
metric = "valid.accuracy"
"""
BY_TIME = ("compare.metric='steps_to_target'", 'compare.target={ "valid.accuracy" = 0.8 }')
Go = Callable[..., pd.DataFrame]


@pytest.fixture
def go(tmp_path: Path, write: Callable[[str], Path]) -> Go:
    """Return a function that runs the spec with settings in one folder, and returns its table."""

    def run(*sets: str) -> pd.DataFrame:
        return run_spec(write(SPEC), output=tmp_path / "out", settings=sets, quiet=True).runs

    return run


def reached(folder: Path, metric: str, target: float) -> pd.Series:
    """Return the first step of each run whose metric is at least the target."""
    history = pd.read_csv(folder / "history.csv", dtype={"run": str})
    return history[(history["metric"] == metric) & (history["value"] >= target)].groupby("run")["step"].min()


def test_settings_are_chosen_and_ranked_by_the_steps_and_nothing_is_trained_again(go: Go, tmp_path: Path) -> None:
    before = go()
    table = go(*BY_TIME)
    search, confirm = (table[table["stage"] == stage].set_index("run") for stage in ("search", "confirm"))
    assert list(search.index) == list(before.query("stage == 'search'")["run"])
    pd.testing.assert_series_equal(
        search["seconds"], before[before["stage"] == "search"].set_index("run")["seconds"]
    )  # of the very same training
    steps = table.set_index("run")["final.steps_to_target"]
    expected = reached(tmp_path / "out", "valid.accuracy", 0.8).reindex(steps.index)
    np.testing.assert_array_equal(steps, expected)
    assert steps.isna().sum() == 2  # of the rate that learns nothing
    means = search.groupby(["optimizer", "optimizer.lr"])["final.steps_to_target"].mean()
    for name, chosen in confirm.groupby("optimizer")["optimizer.lr"]:
        assert set(chosen) == {means[name].idxmin()}
    ranking = open_results(tmp_path / "out").ranking
    assert ranking["final.steps_to_target"].isna().tolist() == [False] * 4 + [True]


def test_the_page_ranks_by_steps_and_says_what_they_are(go: Go, tmp_path: Path, write: Callable[[str], Path]) -> None:
    go(*BY_TIME)
    out = str(tmp_path / "out")
    assert CliRunner().invoke(main, ["report", out]).exit_code == 0
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "by steps_to_target (lower is better); steps are multiples of the evaluation interval" in page
    assert "Until valid.accuracy reaches 0.8, each alternative at its best setting; steps are multiples of the" in page
    assert re.search(r"accuracy.* over the steps[^#]*Dotted: the target, 0.8", page)
    assert "on the training rows, although rows were held out" not in page


def test_a_table_may_name_the_metric_of_the_target_and_a_number_is_of_the_compared_one(plan: MakePlan) -> None:
    other = plan(SPEC, 'compare.target={ "loss" = 0.5 }').comparison
    assert (other.metric, other.target, other.aim) == ("valid.accuracy", 0.5, ("loss", "min"))
    for target in ("0.9", '{ "valid.accuracy" = 0.9 }'):
        plain = plan(SPEC, f"compare.target={target}").comparison
        assert (plain.target, plain.target_metric, plain.aim) == (0.9, None, ("valid.accuracy", "max"))


def test_the_section_of_the_target_is_of_the_metric_that_it_names(go: Go, tmp_path: Path) -> None:
    table = go('compare.target={ "loss" = 0.9 }')
    assert "final.steps_to_target" not in table
    assert CliRunner().invoke(main, ["report", str(tmp_path / "out")]).exit_code == 0
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert (
        "Until loss reaches 0.9, each alternative at its best setting; steps are multiples of the interval at" in page
    )
    assert re.search(r"loss.* over the steps[^#]*Dotted: the target, 0.9", page)


def test_the_kept_checkpoint_is_that_of_the_metric_of_the_target(plan: MakePlan) -> None:
    by_time = plan(SPEC, *BY_TIME, "run.save='best'")
    assert [run.id for run in by_time.runs] == [run.id for run in plan(SPEC, "run.save='best'").runs]
    assert by_time.comparison.reported is None


def test_claims_may_be_about_the_steps(write: Callable[[str], Path], tmp_path: Path) -> None:
    claims = """
[[expect]]
where = { optimizer = "Adam" }
value = "steps_to_target"
max = 92
[[expect]]
where = { optimizer = "SGD", "optimizer.lr" = 1e-6 }
value = "final.steps_to_target"
max = 92
"""
    spec, sets = str(write(SPEC + claims)), [part for one in BY_TIME for part in ("--set", one)]
    told = CliRunner().invoke(main, ["test", spec, "-o", str(tmp_path / "out"), *sets]).stdout
    assert ": ok: optimizer=Adam" in told or ": ok: Adam" in told
    assert "no value in SGD optimizer.lr=1e-06" in told


def test_progress_tells_the_fastest(write: Callable[[str], Path], tmp_path: Path) -> None:
    sets = [part for one in BY_TIME for part in ("--set", one)]
    told = CliRunner().invoke(main, [str(write(SPEC)), "-o", str(tmp_path / "out"), *sets, "-j", "0"]).stderr
    least = pd.read_csv(tmp_path / "out" / "results.csv")["final.steps_to_target"].min()
    assert re.search(rf"best .*steps_to_target {least:.0f}\n", told)


def test_progress_tells_the_best_checkpoint(write: Callable[[str], Path], tmp_path: Path) -> None:
    sets = ["--set", "run.save='best'", "--set", "compare.at='checkpoint'", "--set", "run.epochs=6"]
    told = CliRunner().invoke(main, [str(write(SPEC)), "-o", str(tmp_path / "out"), *sets, "-j", "0"]).stderr
    best = pd.read_csv(tmp_path / "out" / "results.csv")["best.valid.accuracy"].max()
    assert re.search(rf"best .*valid.accuracy {best:.4g}\n", told)


def test_folders_with_other_targets_are_not_compared(write: Callable[[str], Path], tmp_path: Path) -> None:
    for name, target in (("a", 0.8), ("b", 0.7)):
        sets = (BY_TIME[0], f'compare.target={{ "valid.accuracy" = {target} }}')
        run_spec(write(SPEC), output=tmp_path / name, settings=sets, quiet=True)
    told = CliRunner().invoke(main, ["diff", str(tmp_path / "a"), str(tmp_path / "b")])
    assert told.exit_code != 0
    assert "different targets" in told.stderr
    described = json.loads((tmp_path / "a" / "tables.json").read_text(encoding="utf-8"))["comparison"]
    assert (described["target"], described["target_metric"], described["target_goal"]) == (0.8, "valid.accuracy", "max")
