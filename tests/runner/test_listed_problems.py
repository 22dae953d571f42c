"""The problems that a spec lists are trained, judged, reported and compared each by its own metric and target."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.training import MakePlan
from xprun.runner.cli.main import main
from xprun.runner.pytest_plugin import looks_like_a_spec
from xprun.runner.spec_under_test import Proof

SPEC = """
[[optimizer]]
name = "SGD"
lr = { grid = [0.01, 0.1] }
[[optimizer]]
name = "Adam"
lr = { grid = [0.01, 0.1] }
[run]
seeds = 2
[confirm]
seeds = 6
[[problem]]
label = "wine"
data = { name = "wine", standardise = true, valid = 0.3 }
model = { name = "softmax" }
loss = { name = "CrossEntropyLoss" }
run = { epochs = 3, metrics = ["accuracy"] }
compare = { target = { "valid.accuracy" = 0.9 } }
[[problem]]
label = "line"
data = { name = "line", valid = 0.3, samples = 40 }
model = { name = "linear" }
loss = { name = "MSELoss" }
run = { epochs = 4 }
compare = { target = { "valid.loss" = 0.2 } }
"""
CLAIMS = """
[[expect]]
where = { problem = "wine", optimizer = "Adam" }
value = "final.valid.accuracy"
min = 0.5
over = "mean"
[[expect]]
where = { problem = "line", optimizer = "Adam" }
value = "final.valid.accuracy"
min = 0.5
"""


def xprun(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code in (0, 1), result.output
    return str(result.output)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SPEC + CLAIMS, encoding="utf-8")
    return tmp_path


def test_each_problem_is_judged_by_its_own_metric(folder: Path) -> None:
    said = xprun("mine.toml")
    assert "2 problems x 2 optimizers x 2 learning rates x 2 seeds = 16 search runs, then 4 x 6 confirmation" in said
    runs = pd.read_csv("runs/mine/results.csv")
    assert list(runs["problem"].unique()) == ["wine", "line"]
    assert runs.groupby("problem")["final.valid.accuracy"].count().to_dict() == {"line": 0, "wine": 20}
    chosen = runs[runs["stage"] == "confirm"].groupby(["problem", "optimizer"])["optimizer.lr"].first()
    search = runs[runs["stage"] == "search"].groupby(["problem", "optimizer", "optimizer.lr"]).mean(numeric_only=True)
    for optimizer in ("SGD", "Adam"):
        assert chosen["wine", optimizer] == search.loc["wine", optimizer]["final.valid.accuracy"].idxmax()
        assert chosen["line", optimizer] == search.loc["line", optimizer]["final.valid.loss"].idxmin()
    schema = json.loads(Path("runs/mine/tables.json").read_text(encoding="utf-8"))
    assert {name: one["metric"] for name, one in schema["by_problem"].items()} == {
        "wine": "valid.accuracy",
        "line": "valid.loss",
    }
    page = Path("runs/mine/report.md").read_text(encoding="utf-8")
    assert "## wine" in page and "## line" in page
    assert "by the metric of each problem" in page
    assert "performance profile by steps to the target" in page


def test_claims_select_a_problem(folder: Path) -> None:
    lines = xprun("test", "mine.toml", "--no-report").splitlines()
    assert any("wine" in line and ": ok:" in line for line in lines)
    assert any("FAILED" in line and "line Adam" in line and "has no final.valid.accuracy" in line for line in lines)


def test_a_run_is_trained_once_for_every_list_that_it_is_in(folder: Path) -> None:
    xprun("mine.toml", "--no-report")
    other = SPEC.replace('label = "wine"', 'label = "grapes"').replace('label = "line"', 'label = "a line"')
    Path("other.toml").write_text(other, encoding="utf-8")
    assert "40 cached, 0 to run" in xprun("plan", "other.toml", "-o", "runs/mine")


def test_folders_are_compared_problem_by_problem(folder: Path) -> None:
    xprun("mine.toml", "--no-report")
    xprun("mine.toml", "--no-report", "-o", "runs/slow", "--set", "problem[1].run.epochs=1")
    said = xprun("diff", "runs/mine", "runs/slow")
    findings = {" ".join(line.split()[:3]): line for line in said.splitlines() if " · " in line}
    assert findings["wine · Adam"].rstrip().endswith("identical")
    assert findings["line · Adam"].rstrip().endswith("worse")


def test_one_run_is_found_by_its_id(folder: Path) -> None:
    xprun("mine.toml", "--no-report")
    runs = pd.read_csv("runs/mine/results.csv")
    run = runs.loc[runs["problem"] == "line", "run"].iloc[0]
    xprun("mine.toml", "--no-report", "-o", "runs/one", "--only", run)
    assert list(pd.read_csv("runs/one/results.csv")["problem"]) == ["line"]


def test_what_is_equal_on_two_problems_is_trained_once_and_stands_under_both(plan: MakePlan) -> None:
    wine, line = SPEC.split("[[problem]]")[1:]
    twice = plan(SPEC.replace(line, wine.replace('"wine"', '"wine again"', 1)))
    assert (len(twice.searched), len(twice.search_rows), twice.duplicates) == (8, 16, 8)
    assert {columns["problem"] for columns in twice.columns} == {"wine", "wine again"}


def test_a_file_that_is_not_there_costs_its_problem_alone(folder: Path) -> None:
    text = SPEC.replace('data = { name = "line", valid = 0.3, samples = 40 }', 'data = { name = "MNIST", valid = 0.3 }')
    Path("images.toml").write_text(
        text.replace('{ name = "linear" }', '{ name = "softmax" }').replace("MSE", "CrossEntropy")
    )
    xprun("images.toml", "--no-report")
    runs = pd.read_csv("runs/images/results.csv")
    assert set(runs.loc[runs["problem"] == "line", "status"]) == {"failed"}
    assert set(runs.loc[runs["problem"] == "wine", "status"]) == {"done"}


def test_a_plan_tells_the_problem_of_a_cohort(folder: Path) -> None:
    said = xprun("plan", "mine.toml")
    assert "cohort 1: 8 runs of wine, " in said
    assert "cohort 2: 8 runs of line, " in said


def test_each_run_is_a_test_of_pytest(folder: Path) -> None:
    names = Proof(Path("mine.toml")).run_names()
    assert names[0] == "wine SGD optimizer.lr=0.01 seed=0"
    assert names[-1] == "line Adam optimizer.lr=0.1 seed=1"
    assert len(names) == 16
    (folder / "written_out.toml").write_text(SPEC, encoding="utf-8")
    assert looks_like_a_spec(folder / "written_out.toml")
