"""Classes are called by the names that the data tell: in `tables.json`, in reports, and by predictions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from xprun.plugins.registry import REGISTRY
from xprun.reports.presentation.formatting import shorten
from xprun.runner.cli.main import main
from xprun.runner.outputs.tables_description import with_outcomes
from xprun.runner.resolve.build import build
from xprun.runner.results.class_names import class_labels, label_of
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import ClassNames, Comparison, ResultsSchema, read_schema
from xprun.runner.store.records import Record, to_outcome, to_record

TOWNS = ("Aalen", "Bad <b>Urach</b> | *am* $Wald$", "Ulm\nSüd")
SPEC = """
data = {{ {data}, batch_size = 8, valid = 0.5 }}
model = {{ name = "softmax" }}
loss = {{ name = "CrossEntropyLoss" }}
optimizer = {{ name = "SGD", lr = 0 }}
run = {{ steps = 1, seeds = {seeds}, metrics = ["confusion"], save = "last" }}
"""
PLUGIN = """
import torch
from torch.utils.data import TensorDataset
from xprun.plugins import data

@data("pets")
def pets():
    made = TensorDataset(torch.arange(24.0).reshape(12, 2), torch.arange(12) % 3)
    made.classes = [["cat", "kitten"], "dog", "cow"]
    return made
"""


def towns() -> None:
    rows = [f'{k},{k * k % 7},"{TOWNS[k % 3]}"' for k in range(18)]
    Path("towns.csv").write_text("\n".join(["a,b,town", *rows, ""]), encoding="utf-8")


def pictures() -> None:
    for name in ("blue", "green", "red"):
        Path("pictures", name).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (6, 6), name).save(Path("pictures", name, f"{i}.png"))


def pets() -> None:
    Path("pets.py").write_text(PLUGIN, encoding="utf-8")


DATA: dict[str, Any] = {
    "csv": (towns, 'name = "csv", file = "towns.csv", target = "town"', TOWNS),
    "folder": (pictures, 'name = "ImageFolder", root = "pictures"', ("blue", "green", "red")),
    "iris": (lambda: None, 'name = "iris", standardise = true', ("setosa", "versicolor", "virginica")),
    "wine": (lambda: None, 'name = "wine"', ("class_0", "class_1", "class_2")),
    "dataset": (pets, 'name = "pets"', ("cat", "dog", "cow")),
}


@pytest.fixture(autouse=True)
def _stand_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xprun.runner.execution.cohort_execution._latest", {})


def xprun(*arguments: str) -> str:
    plugins = ["--plugin", "pets.py"] if Path("pets.py").exists() else []
    done = CliRunner().invoke(main, [*plugins, *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def train(data: str, seeds: int = 1) -> ResultsSchema:
    Path("spec.toml").write_text(SPEC.format(data=data, seeds=seeds), encoding="utf-8")
    xprun("spec.toml", "-q")
    return read_schema(json.loads(Path("runs/spec/tables.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("form", DATA)
def test_names_stand_beside_the_tables_and_in_the_report(form: str) -> None:
    write, data, names = DATA[form]
    write()
    schema = train(data)
    runs = pd.read_csv("runs/spec/results.csv", dtype=str)["run"].tolist()
    assert schema.classes == [ClassNames(list(names), runs)]
    assert set(pd.read_csv("runs/spec/matrices.csv")["row"]) == {0, 1, 2}
    page = Path("runs/spec/report.html").read_text(encoding="utf-8")
    mistakes = page.partition("Most frequent mistakes: ")[2].partition(").")[0]
    assert mistakes
    shown = [shorten(name).replace("<", "&lt;").replace(">", "&gt;") for name in names]
    assert any(f"{one} for {other} (" in mistakes for one in shown for other in shown)
    assert "<b>Urach" not in page


def test_stored_runs_keep_the_names() -> None:
    _, data, names = DATA["iris"]
    first = train(data)
    both = train(data, seeds=2)
    assert set(first.classes[0].runs) < set(both.classes[0].runs)
    assert both.classes[0].names == list(names)
    before = Path("runs/spec/report.md").read_text(encoding="utf-8")
    xprun("report", "runs/spec")
    assert Path("runs/spec/report.md").read_text(encoding="utf-8") == before


def test_data_without_names_have_numbers() -> None:
    assert train('name = "digits"').classes == []
    assert re.search(r"mistakes: \d for \d \(", Path("runs/spec/report.md").read_text(encoding="utf-8"))


def test_the_names_of_scikit_learn_are_its_own() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    for name in ("iris", "wine", "breast_cancer"):
        assert build(REGISTRY, "data", name, {}).class_names == tuple(getattr(datasets, f"load_{name}")().target_names)


def test_labels_differ_whatever_the_names_are() -> None:
    assert class_labels(["cat", "dog"]) == ["cat", "dog"]
    assert class_labels(["cat", "dog", "cat", ""]) == ["0: cat", "dog", "2: cat", "3"]
    long = ["american pit bull terrier", "american pit viper", "ape\n\n"]
    assert class_labels(long, partial(shorten, length=13)) == ["0: american pit…", "1: american pit…", "ape"]
    assert [label_of(number, ["cat"]) for number in (0, 1, -100)] == ["cat", "1", "-100"]


def test_runs_that_do_not_agree_have_no_names() -> None:
    plain = ResultsSchema(Comparison("loss", "min"))
    told = {"a": ["x", "y"], "b": ["x", "y"], "c": ["y", "x"], "d": []}
    schema = with_outcomes(plain, [Outcome(run, "done", classes=names) for run, names in told.items()])
    assert schema.classes == [ClassNames(["x", "y"], ["a", "b"]), ClassNames(["y", "x"], ["c"])]
    assert read_schema(schema.as_json()) == schema
    assert schema.class_names(["a", "b"]) == ["x", "y"]
    assert schema.class_names(["a", "c"]) == schema.class_names(["a", "d"]) == schema.class_names([]) == []


def test_the_store_keeps_names_and_opens_records_without() -> None:
    record = to_record(Outcome("a", "done", classes=["x", "y\n"]), "{}")
    assert to_outcome(record).classes == ["x", "y\n"]
    older = json.loads(record.outcome)
    del older["classes"]
    without = replace(record, outcome=json.dumps(older))
    assert isinstance(without, Record)
    assert without.verifies(without.digest)
    assert to_outcome(without).classes == []
