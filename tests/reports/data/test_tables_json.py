"""What a folder holds is read from its `tables.json`: nothing depends on what a column is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.folders import Case, describe_folder
from xprun.reports import ReportError, ranking, verdict, write_report
from xprun.reports.data.folder_comparison import read_comparison
from xprun.reports.data.results_folder import read_results
from xprun.reports.presentation.report_errors import NewerFolderError

Make = Callable[..., Path]
CASES = [Case("SGD", 0.1, [0.9, 0.8]), Case("SGD", 0.2, [0.5, 0.4]), Case("Adam", 0.1, [0.7, 0.6])]


@pytest.fixture
def described(make_folder: Make) -> Callable[..., Path]:
    """Writes a folder with a `tables.json`, which keywords change: `described(cases, stages={"search": 9})`."""

    def make(cases: list[Case] = CASES, name: str = "demo", **changes: Any) -> Path:
        return describe_folder(make_folder(cases, name=name), **changes)

    return make


def test_columns_are_what_the_schema_says_whatever_they_are_called(described: Make) -> None:
    plain, renamed = described(name="plain"), described(name="renamed")
    names = {
        "optimizer.lr": "final.lr",
        "data": "best.of",
        "final.valid.accuracy": "param.acc",
        "data.batch_size": "size",
    }
    table = pd.read_csv(renamed / "results.csv", dtype={"run": str}).rename(columns=names)
    table.to_csv(renamed / "results.csv", index=False)
    content = json.loads((renamed / "tables.json").read_text(encoding="utf-8"))
    for column in content["tables"]["results"]["columns"]:
        column["name"] = names.get(column["name"], column["name"])
    content["comparison"]["swept"] = ["final.lr"]
    (renamed / "tables.json").write_text(json.dumps(content), encoding="utf-8")
    schema = read_results(renamed).schema
    assert schema.names("section") == ["best.of", "model", "loss", "optimizer"]
    assert schema.names("setting") == ["final.lr", "size"]
    assert schema.compared_metrics == read_results(plain).schema.compared_metrics


def test_a_column_that_the_schema_does_not_know_is_no_section(described: Make) -> None:
    folder = described()
    table = pd.read_csv(folder / "results.csv", dtype={"run": str})
    table.assign(note=[f"note {i}" for i in range(len(table))]).to_csv(folder / "results.csv", index=False)
    assert read_comparison(read_results(folder)).keys == ["optimizer.lr"]
    assert verdict(folder).startswith("Exploratory: SGD at lr=0.1 has the best mean valid.accuracy, 0.850")


def test_a_text_that_looks_like_a_number_is_text(described: Make) -> None:
    cases = [Case("SGD", 0.1, [0.9], {"model.widths": "007"}), Case("SGD", 0.1, [0.8], {"model.widths": "7"})]
    folder = described(cases, types={"model.widths": "text"}, swept=["model.widths"])
    assert read_results(folder).runs["model.widths"].tolist() == ["007", "7"]
    assert ranking(folder)["model.widths"].tolist() == ["007", "7"]


@pytest.mark.parametrize("labels", [["easy", "hard"], ["easy", "hard", "odd"]])
def test_a_verdict_on_one_of_the_planned_problems_says_so(described: Make, labels: list[str]) -> None:
    cases = [Case(name, 0.1, values, {"data": "easy"}) for name, values in (("A", [0.9, 0.8]), ("B", [0.5, 0.6]))]
    folder = described(cases, problems=labels)
    said = verdict(folder)
    assert said.startswith(f"On easy alone, 1 of {len(labels)} planned problems: No clear winner: A has the best mean")
    write_report(folder)
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert said in page
    missing = " and ".join(labels[1:])
    assert f"of {len(labels)} planned problems, on which there is no run: {missing}." in page


def test_a_verdict_on_some_of_the_planned_problems_says_so(described: Make) -> None:
    cases = [Case(name, 0.1, [0.9, 0.8], {"data": data}) for name in ("A", "B") for data in ("easy", "hard")]
    folder = described(cases, problems=["easy", "hard", "odd"])
    assert "2 of 3 planned problems" in verdict(folder)
    write_report(folder)
    assert "Nothing is known of 1 of 3 planned problems" in (folder / "report.md").read_text(encoding="utf-8")


def test_sections_that_differ_are_no_problems_unless_they_were_planned(described: Make) -> None:
    cases = [Case(name, 0.1, [0.9, 0.8], {"data": data}) for name in ("A", "B") for data in ("easy", "hard")]
    assert "problem" not in verdict(described(cases, problems=[]))


def test_what_was_planned_is_told(described: Make) -> None:
    folder = described(stages={"search": 6, "confirm": 3})
    write_report(folder)
    assert "6 of 9 planned runs" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_folder_of_a_newer_version_is_refused(described: Make) -> None:
    folder = described(schema=3)
    with pytest.raises(NewerFolderError, match=r"demo: written by a newer xprun \(schema 3; this one reads up to 2\)"):
        verdict(folder)
    assert NewerFolderError.exit_code == 3
    assert issubclass(NewerFolderError, ReportError)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "an object is expected, not list"),
        ("{}", "comparison: field required"),
        (
            '{"schema": 2, "comparison": {"metric": 3, "goal": "min"}}',
            "comparison.metric: input should be a valid string",
        ),
        (
            '{"schema": 2, "comparison": {"metric": "loss", "goal": "least"}}',
            "comparison.goal: input should be 'min' or",
        ),
    ],
)
def test_a_damaged_schema_is_named(described: Make, text: str, words: str) -> None:
    folder = described()
    (folder / "tables.json").write_text(text, encoding="utf-8")
    with pytest.raises(ReportError, match=rf"tables\.json: {words}"):
        verdict(folder)


def test_what_a_later_version_of_this_schema_adds_is_passed_over(described: Make) -> None:
    folder = described()
    content = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    content["tables"]["results"]["columns"][0]["unit"] = "m"
    (folder / "tables.json").write_text(json.dumps(content | {"more": 1}), encoding="utf-8")
    assert verdict(folder).startswith("Exploratory: SGD at lr=0.1")
