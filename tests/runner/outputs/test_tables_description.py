"""`tables.json` says of every column of the tables what it is, in the words of the spec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.results_schema import ResultsSchema, read_schema
from xprun.runner.status.progress import Silent
from xprun.specs import read_document, read_spec

SPEC = """
[[data]]
name = "line"
samples = 20
valid = 0.2
[[data]]
label = "the same line"
name = "line"
samples = 20
valid = 0.2
batch_size = 5
[[data]]
label = "noise"
name = "line"
samples = 20
valid = 0.2
noise = 1.0
[model]
name = "linear"
[loss]
name = "MSELoss"
[[optimizer]]
name = "scratch.gd"
lr = { grid = [0.1, 1] }
[[optimizer]]
name = "SGD"
lr = 0.2
[run]
steps = { grid = [3, 4] }
seeds = 2
metrics = ["mae"]
"""
Write = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, write: Write) -> Path:
    """The output folder of the spec, of which only the runs on two of three data sets were trained."""
    spec = resolve(read_spec(read_document(write(SPEC))), REGISTRY)
    runs = make_plan(spec, "cpu").runs
    wanted = frozenset(run.id for run in runs if run.choices["data"].label != "noise")
    run_experiment(spec, REGISTRY, Options(tmp_path / "out", only=wanted), Silent())
    return tmp_path / "out"


def read(folder: Path) -> tuple[ResultsSchema, dict[str, Any]]:
    content = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    return read_schema(content), content


def test_every_column_of_the_results_is_described(folder: Path) -> None:
    schema, content = read(folder)
    results = pd.read_csv(folder / "results.csv", dtype={"run": str})
    columns = {column.name: column for column in schema.columns}
    assert list(results) == [name for name in columns if name in results]
    assert set(columns) - set(results) == {"data.noise"}  # of the runs that were not trained
    assert content["schema"] == 2
    assert schema.names("section") == ["data", "model", "loss", "optimizer"]
    assert schema.names("setting") == [
        "data.samples", "data.valid", "optimizer.lr", "run.steps", "data.batch_size", "data.noise"
    ]  # fmt: skip
    assert [c.name for c in schema.columns if c.swept] == ["optimizer.lr", "run.steps"] == schema.comparison.swept
    assert [columns[name].type for name in ("data.batch_size", "optimizer.lr", "run.steps")] == [
        "integer",
        "number",
        "integer",
    ]
    assert columns["run.steps"].section == "run"
    assert columns["final.valid.mae"].metric == "valid.mae"
    assert (columns["best.valid.mae"].moment, columns["best.valid.mae"].split) == ("best", "valid")
    assert columns["final.loss"].split is None
    assert schema.names("parameter") == ["param.w", "param.b"]
    assert {"reference.param.w", "reference.param.b"} <= set(schema.names("reference"))
    assert results["stage"].eq("search").all()
    assert all(column.meaning for column in schema.columns)


def test_the_comparison_is_that_of_the_plan(folder: Path) -> None:
    schema, _ = read(folder)
    assert (schema.comparison.metric, schema.comparison.goal) == ("valid.mae", "min")
    assert (schema.comparison.by, schema.comparison.problems) == (["optimizer"], ["data"])
    assert schema.problems == [["line"], ["the same line"], ["noise"]]
    assert schema.stages == {"search": 36}
    resolved = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
    assert resolved["swept"] == schema.comparison.swept
    keys = ["metric", "goal", "reported", "at", "tolerance", "target", "target_metric", "target_goal", "baseline"]
    assert list(resolved["compare"]) == [*keys, "by", "problems", "chosen_on_test", "curves", "candidates", "plots"]


def test_runs_share_what_is_the_same_whatever_it_is_called(folder: Path) -> None:
    schema, _ = read(folder)
    results = pd.read_csv(folder / "results.csv", dtype={"run": str})
    groups = results["run"].map(schema.group_of("data")).groupby(results["data"]).unique()
    assert groups["line"].tolist() == groups["the same line"].tolist()
    assert len(schema.shared["data"]) == 2
    assert len(schema.shared["surface"]) == 2


def test_a_spec_of_many_runs_tells_no_groups(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprun.runner.planning.plan.MAX_RUNS_WITH_VISUALS", 35)
    spec = resolve(read_spec(read_document(write(SPEC))), REGISTRY)
    assert make_plan(spec, "cpu").schema.shared == {}


def test_the_schema_comes_back_as_it_was_written(folder: Path) -> None:
    schema, content = read(folder)
    assert read_schema(json.loads(json.dumps(schema.as_json()))) == schema
    assert json.loads(json.dumps(schema.as_json())) == content


def test_observers_that_ask_are_told_what_the_columns_are(tmp_path: Path, write: Write, line_spec: str) -> None:
    (tmp_path / "mine.py").write_text(OBSERVERS, encoding="utf-8")
    spec = line_spec.replace("[run]", '[run]\nobservers = ["asks", "does_not"]')
    registry = open_registry((tmp_path / "mine.py",))
    resolved = resolve(read_spec(read_document(write(spec))), registry)
    run_experiment(resolved, registry, Options(tmp_path / "out", (tmp_path / "mine.py",)), Silent())
    (told,) = (tmp_path / "out" / "asks").glob("*/told.json")
    columns, settings, results = json.loads(told.read_text(encoding="utf-8"))
    roles = {column["name"]: column["role"] for column in columns}
    assert {roles[name] for name in settings} == {"section", "setting", "seed"}
    assert {roles[name] for name in results} == {"metric"}
    assert {c["name"]: c["goal"] for c in columns if c["role"] == "metric"} == {"final.loss": "min", "best.loss": "min"}
    assert len(list((tmp_path / "out" / "does_not").glob("*/told.txt"))) == 1


OBSERVERS = """
import json
from xprun.plugins import observer

@observer("asks")
def asks():
    def write(folder, settings, history, results, columns):
        (folder / "told.json").write_text(json.dumps([columns, settings, results]))
    return write

@observer("does_not")
def does_not():
    def write(folder, settings, history, results):
        (folder / "told.txt").write_text("written")
    return write
"""
