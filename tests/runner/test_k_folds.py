"""k-fold: each setting is trained once a fold, and what is chosen and told is over all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.training import MakePlan
from xprun.results import open_results
from xprun.runner.cli.main import main
from xprun.runner.status.progress import headline
from xprun.running import run as run_spec
from xprun.specs import count_runs

SPEC = """
[data]
name = "line"
samples = 21
batch_size = "full"
k_folds = 3
[model]
name = "linear"
[loss]
name = "MSELoss"
[[optimizer]]
name = "scratch.gd"
lr = { grid = [0.01, 0.1] }
[[optimizer]]
name = "Adam"
lr = { grid = [0.001, 0.1] }
[run]
steps = 5
seeds = 2
save = "last"
"""
CONFIRM = "[confirm]\nseeds = 2\n"
Run = Callable[[str], pd.DataFrame]


@pytest.fixture
def go(tmp_path: Path, write: Callable[[str], Path]) -> Run:
    """Return a function that runs a spec in one folder and returns its table."""
    return lambda text: run_spec(write(text), output=tmp_path / "out", quiet=True).runs


def test_each_setting_is_trained_once_a_fold_and_chosen_by_its_mean_over_all(go: Run, tmp_path: Path) -> None:
    table = go(SPEC + CONFIRM)
    search, confirm = (table[table["stage"] == stage] for stage in ("search", "confirm"))
    assert len(search.groupby(["optimizer", "optimizer.lr", "seed", "data.fold"])) == len(search) == 4 * 2 * 3
    assert len(confirm.groupby(["optimizer", "seed", "data.fold"])) == len(confirm) == 2 * 2 * 3
    assert set(confirm["seed"]) == {2, 3}
    means = search.groupby(["optimizer", "optimizer.lr"])["final.valid.loss"].mean()
    for name, chosen in confirm.groupby("optimizer")["optimizer.lr"]:
        assert set(chosen) == {means[name].idxmin()}
    ranking = open_results(tmp_path / "out").ranking.set_index(["optimizer", "optimizer.lr"])
    assert ranking["runs"].tolist() == [6, 6, 6, 6]
    assert ranking["final.valid.loss"].to_dict() == pytest.approx(means.to_dict())


def test_a_fold_is_told_as_a_repeat_and_never_as_a_setting(go: Run, tmp_path: Path) -> None:
    go(SPEC)
    described = json.loads((tmp_path / "out" / "tables.json").read_text(encoding="utf-8"))
    roles = {column["name"]: column["role"] for column in described["tables"]["results"]["columns"]}
    assert (roles["data.fold"], roles["data.k_folds"]) == ("repeat", "setting")
    assert described["comparison"]["swept"] == ["optimizer.lr"]


def test_a_saved_run_predicts_the_rows_of_its_fold(go: Run, tmp_path: Path) -> None:
    table = go(SPEC).query("seed == 0 and optimizer == 'Adam'").drop_duplicates("data.fold")
    out = str(tmp_path / "out")
    targets = []
    for run in table["run"]:
        told = CliRunner().invoke(main, ["predict", out, run, "--data", "valid"])
        targets += [float(line.split(",")[1]) for line in told.stdout.splitlines()[1:]]
    assert len(set(targets)) == len(targets) == 21


def test_plan_check_and_the_limit_of_runs_count_the_folds(plan: MakePlan, write: Callable[[str], Path]) -> None:
    made = plan(SPEC + CONFIRM)
    assert (count_runs(made.spec), len(made.searched), made.total) == (24, 24, 36)
    told = "2 optimizers x 2 learning rates x 3 folds x 2 seeds = 24 search runs, then 2 x 3 x 2 confirmation runs"
    assert headline(made) == told
    checked = CliRunner().invoke(main, ["check", str(write(SPEC + CONFIRM))])
    assert "ok, 24 runs, then 12 on fresh seeds\n  2 fresh seeds x 3 repeats" in checked.stdout
    limited = CliRunner().invoke(main, ["check", str(write(SPEC + CONFIRM)), "--max-runs", "35"])
    assert "24 runs and up to 12 more on fresh seeds, more than the limit of 35" in limited.stderr


def test_an_ablation_is_tried_on_each_fold(plan: MakePlan) -> None:
    runs = plan(SPEC + '[ablate]\n"data.batch_size" = 7\n').runs
    assert len(runs) == 48
    changed = [run for run in runs if run.choices["data"].label == "line batch_size=7"]
    assert sorted({run.choices["data"].settings["fold"] for run in changed}) == [0, 1, 2]


def test_folds_can_be_left_out(plan: MakePlan) -> None:
    runs = plan('exclude = [{ "data.fold" = [1, 2] }]\n' + SPEC).runs
    assert {run.choices["data"].settings["fold"] for run in runs} == {0}
    assert len(runs) == 8


def test_claims_name_folds_and_pair_them(write: Callable[[str], Path], tmp_path: Path) -> None:
    claims = """
[[expect]]
where = { "data.fold" = 1, optimizer = "Adam", "optimizer.lr" = 0.1 }
value = "final.valid.loss"
min = 0
[[expect]]
where = { optimizer = "scratch.gd", "optimizer.lr" = 0.1 }
beats = { optimizer = "scratch.gd", "optimizer.lr" = 0.01 }
value = "final.loss"
"""
    told = CliRunner().invoke(main, ["test", str(write(SPEC + claims)), "-o", str(tmp_path / "out")]).stdout
    assert "in 2 runs" in told
    assert "on average over 6 repeats, confidence 0.984" in told


def test_without_folds_a_run_is_what_it_was(plan: MakePlan) -> None:
    ids = [run.id for run in plan(SPEC.replace("k_folds = 3\n", "")).runs]
    assert ids == [run.id for run in plan(SPEC.replace("k_folds = 3", "valid = 0.0")).runs]
    assert not set(ids) & {run.id for run in plan(SPEC).runs}
