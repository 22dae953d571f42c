"""A run that a spec has under several labels is trained once, and stands in every table and count under each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from xprun import Results, open_results, run
from xprun.runner.cli.main import main

LINE = """
[data]
name = "line"
samples = 40
batch_size = 10

[model]
name = "linear"

[loss]
name = "MSELoss"
"""
TUNED = """
[[optimizer]]
name = "SGD"
label = "tuned"
lr = { grid = [0.1, 0.01] }

[[optimizer]]
name = "SGD"
label = "default"
lr = 0.1

[run]
steps = 20
seeds = 6
"""
THREE = """
[[optimizer]]
name = "Adam"
label = "a"
lr = 0.1
[[optimizer]]
name = "Adam"
label = "b"
lr = 0.1
betas = [0.9, 0.999]
[[optimizer]]
name = "Adam"
label = "c"
lr = 0.1
eps = 1e-8

[run]
steps = 20
seeds = 6
"""
DATA = """
[[data]]
name = "line"
label = "first"
samples = 40
[[data]]
name = "line"
label = "second"
samples = 40
batch_size = 10

[model]
name = "linear"
[loss]
name = "MSELoss"

[[optimizer]]
name = "SGD"
lr = 0.1
[[optimizer]]
name = "SGD"
lr = 0.05

[run]
steps = 20
seeds = 6
"""


@pytest.fixture
def results(tmp_path: Path, write: Callable[[str], Path]) -> Callable[[str], Results]:
    return lambda text: run(write(text), output=tmp_path / "out", quiet=True)


def stored(results: Results) -> int:
    with sqlite3.connect(results.folder / "store.sqlite") as database:
        return int(database.execute("select count(*) from runs").fetchone()[0])


@pytest.mark.parametrize(
    ("spec", "section", "labels", "rows", "runs"),
    [
        (LINE + TUNED, "optimizer", {"tuned": 12, "default": 6}, 18, 12),
        (LINE + THREE, "optimizer", {"a": 6, "b": 6, "c": 6}, 18, 6),
        (DATA.replace("batch_size = 10", "batch_size = 32"), "data", {"first": 12, "second": 12}, 24, 12),
    ],
)
def test_each_label_has_all_of_its_rows(
    results: Callable[[str], Results], spec: str, section: str, labels: dict[str, int], rows: int, runs: int
) -> None:
    found = results(spec)
    assert found.runs[section].value_counts().to_dict() == labels
    assert (len(found.runs), found.runs["run"].nunique(), stored(found)) == (rows, runs, runs)
    assert dict(found.statuses) == {"done": runs}
    assert not found.history.duplicated(["run", "step", "metric"]).any(), "its history stands once"
    values = found.runs.groupby("run")["final.loss"].nunique()
    assert (values == 1).all()
    told = json.loads((found.folder / "tables.json").read_text(encoding="utf-8"))
    assert told["stages"] == {"search": runs}


def test_a_tuned_alternative_that_has_the_setting_of_another_ties_with_it(results: Callable[[str], Results]) -> None:
    found = results(LINE + TUNED + "\n[confirm]\nseeds = 6\n")
    assert found.alternatives["optimizer"].tolist() == ["tuned", "default"]
    assert found.alternatives["final.loss"].nunique() == 1
    assert found.alternatives["runs"].tolist() == [6, 6]
    found.report(["md", "html"])
    page = (found.folder / "report.md").read_text(encoding="utf-8")
    assert "tuned at lr=0.1 and default at lr=0.1 tie: the same loss in every run, 6 fresh seeds." in page
    assert "18 runs: 18 done." in page
    assert "from 1 setting (default) to 2 (tuned)" in page
    assert f"{found.runs['run'].iloc[0]} #" not in page, "keys of rows are for the report alone"


def test_claims_know_a_run_by_each_of_its_labels_and_count_it_once(results: Callable[[str], Results]) -> None:
    claims = """
[[expect]]
where = { optimizer = "b" }
value = "final.loss"
min = 0.0
[[expect]]
value = "final.loss"
over = "mean"
min = 0.0
[[expect]]
where = { optimizer = "c" }
beats = { optimizer = "a" }
value = "final.loss"
confidence = 0.95
"""
    found = results(LINE + THREE + claims).claims
    assert found["verdict"].tolist() == ["ok", "ok", "FAILED"]
    assert "6 runs" in found["found"][0]
    assert "over 6 runs" in found["found"][1]
    assert "better by 0 on average over 6 seeds" in found["found"][2]


def test_a_baseline_of_equal_runs_is_there(results: Callable[[str], Results]) -> None:
    found = results(LINE + TUNED + '\n[confirm]\nseeds = 6\n[compare]\nbaseline = "default"\n')
    found.report(["md"])
    page = (found.folder / "report.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| tuned | 0 | 0 to 0 |"))
    assert row.endswith("| identical |")


def test_folders_of_equal_runs_resume_and_compare(
    results: Callable[[str], Results], tmp_path: Path, write: Callable[[str], Path]
) -> None:
    first = results(LINE + THREE)
    again = CliRunner().invoke(main, [str(write(LINE + THREE)), "-o", str(first.folder), "--format", "md"])
    assert "6 cached, 0 to run" in again.stderr, again.output
    run(write(LINE + THREE), output=tmp_path / "other", quiet=True)
    told = CliRunner().invoke(main, ["diff", str(first.folder), str(tmp_path / "other")])
    assert told.exit_code == 0, told.output
    assert all(name in told.stdout for name in ("a", "b", "c"))
    assert told.stdout.count("identical") == 3, told.stdout


def test_curves_are_drawn_for_every_label(results: Callable[[str], Results]) -> None:
    found = results(LINE + THREE)
    found.report(["html", "md"])
    page = (found.folder / "report.md").read_text(encoding="utf-8")
    last = pd.read_csv(found.folder / "results.csv")["final.loss"].mean()
    assert f"At the end: a {last:.4g}, b {last:.4g} and c {last:.4g}" in page


def test_equal_runs_open_as_tables_of_pandas(results: Callable[[str], Results]) -> None:
    found = results(LINE + THREE)
    merged = found.history.merge(open_results(found.folder).runs[["run", "optimizer"]], on="run")
    counts = merged["optimizer"].value_counts()
    assert set(counts.index) == {"a", "b", "c"}
    assert counts.nunique() == 1
