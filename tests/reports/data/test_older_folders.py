"""Folders without a `tables.json`: those of the first version, and those that somebody made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.folders import Case
from support.older_folders import NAMES, SCHEMA_1, copy_of
from xprun.reports import ReportError, difference, ranking, verdict, write_report
from xprun.reports.data.results_folder import read_results
from xprun.runner.cli.main import main
from xprun.runner.results.results_schema import ResultsSchema

Make = Callable[..., Path]


def resumed(name: str, into: Path) -> Path:
    """A folder of the first version in which this one has written its tables again; nothing is trained."""
    folder = copy_of(name, into)
    result = CliRunner().invoke(main, [str(folder / "spec.toml"), "-o", str(folder), "-q", "-j", "0"])
    assert result.exit_code == 0, result.output
    return folder


def what_is_told(schema: ResultsSchema) -> dict[str, object]:
    """What a schema says, but for columns and types that the first version had not."""
    columns = {c.name: (c.role, c.section, c.swept, c.moment, c.metric, c.goal, c.split) for c in schema.columns}
    for later in ("stage", "engine", "torch", "host", "device", "threads"):
        columns.pop(later, None)
    return vars(schema) | {"tables": columns, "schema": None, "matrices": None}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_guessed_of_a_folder_is_what_is_written_now(name: str, tmp_path: Path) -> None:
    guessed, written = read_results(SCHEMA_1 / name), read_results(resumed(name, tmp_path))
    assert (guessed.schema.schema, written.schema.schema) == (1, 2)
    assert what_is_told(guessed.schema) == what_is_told(written.schema)
    assert set(written.schema.matrices) <= set(guessed.schema.matrices)
    pd.testing.assert_frame_equal(guessed.runs, written.runs[list(guessed.runs)])
    assert guessed.runs["stage"].tolist() == ["search"] * len(guessed.runs)


@pytest.mark.parametrize("name", NAMES)
def test_the_report_of_a_folder_is_that_of_the_same_folder_now(name: str, tmp_path: Path) -> None:
    older, newer = copy_of(name, tmp_path / "older"), resumed(name, tmp_path / "newer")
    pages = []
    for folder in (older, newer):
        write_report(folder)
        page = (folder / "report.md").read_text(encoding="utf-8")
        page = page.partition("\n")[2]  # without title, models, spec and environment
        page = re.split(r"\n## (?:Models|Spec)\n", page)[0]
        page = re.sub(r"(?s)\n## Data\n.*?(?=\n## )", "", page)  # which older folders do not describe
        pages.append(re.sub(r"(?m)^To run one again: .*\n\n?", "", page))
    assert pages[0] == pages[1]
    assert verdict(older) == verdict(newer)


@pytest.mark.parametrize("name", NAMES)
def test_folders_of_both_versions_compare(name: str, tmp_path: Path) -> None:
    older, newer = SCHEMA_1 / name, resumed(name, tmp_path)
    for pair in ((older, newer), (newer, older), (older, older)):
        found = difference(*pair)
        assert not found.regressed
        assert not found.undecided
        assert "+" not in found.text and "identical" in found.text
    pd.testing.assert_frame_equal(ranking(older), ranking(newer))


def test_folders_of_other_specs_are_refused_in_one_line() -> None:
    with pytest.raises(ReportError, match=r"^the (first|second) folder has no (column|run)[^\n]+$"):
        difference(SCHEMA_1 / "optimizers", SCHEMA_1 / "two_data_sets")
    with pytest.raises(ReportError, match=r"^the second folder has no metric 'loss'|[^\n]+$"):
        difference(SCHEMA_1 / "diverging", SCHEMA_1 / "optimizers")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "optimizers",
            "Exploratory: Adam at lr=0.01 has the best mean valid.accuracy, 0.689 ± 0.038 (sd over 3 seeds), ahead of ",
        ),
        ("two_data_sets", "No clear winner: SGD has the best mean rank over 2 problems, 1.00 (best on 2 of 2)"),
        ("diverging", "Exploratory: SGD at lr=0.2 has the best mean loss, 0.163 ± 0"),
    ],
)
def test_the_verdicts_of_the_first_version_stand(name: str, words: str) -> None:
    assert verdict(SCHEMA_1 / name).startswith(words)


def test_a_diverged_setting_of_the_first_version_ranks_last() -> None:
    table = ranking(SCHEMA_1 / "diverging")
    assert table["optimizer.lr"].tolist() == [0.2, 0.1, 1e30]
    assert table["ended"].tolist() == [2, 2, 0]
    assert table["final.loss"].isna().tolist() == [False, False, True]


SECTIONS = ["data", "model", "loss", "optimizer"]


def without(folder: Path, *columns: str) -> Path:
    table = pd.read_csv(folder / "results.csv", dtype={"run": str})
    table.drop(columns=list(columns)).to_csv(folder / "results.csv", index=False)
    return folder


@pytest.mark.parametrize("lacking", [["data", "model", "loss"], ["data.batch_size", "model"], ["data", "optimizer.lr"]])
@pytest.mark.parametrize("resolved", [False, True])
def test_a_folder_made_by_hand_without_some_sections_has_a_page(
    make_folder: Make, lacking: list[str], resolved: bool
) -> None:
    cases = [Case("SGD", 0.1, [0.9, 0.8]), Case("Adam", 0.1, [0.7, None])]
    folder = without(make_folder(cases, resolved=resolved), *lacking)
    assert (folder / "report.html") in write_report(folder)
    assert "SGD" in (folder / "report.md").read_text(encoding="utf-8").splitlines()[2]
    difference(folder, folder)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (SECTIONS, "no column names an alternative, such as 'optimizer'"),
        (["final.loss"], "compare.metric is 'loss', which is not there; it has valid.accuracy"),
        (["status"], "no column 'status'; it has run, data,"),
        (["run", "seed"], "no column 'run', 'seed'; it has data,"),
    ],
)
def test_a_folder_made_by_hand_that_cannot_be_compared_is_an_error_in_one_line(
    make_folder: Make, lacking: list[str], words: str
) -> None:
    folder = without(make_folder([Case("SGD", 0.1, [0.9])], resolved=False), *lacking)
    with pytest.raises(ReportError, match=re.escape(words)) as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", [[], 3, {"run": [], "optimizer": {}}, {"run": {"metrics": ["accuracy", {"name": 3}]}}])
def test_what_is_told_beside_a_folder_made_by_hand_may_be_anything(make_folder: Make, spec: object) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [0.8])])
    facts = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
    (folder / "resolved.json").write_text(json.dumps(facts | {"spec": spec}), encoding="utf-8")
    if isinstance(spec, dict):
        assert verdict(folder).startswith("No clear winner: SGD")
    else:
        with pytest.raises(ReportError, match=r"resolved\.json: spec: "):
            verdict(folder)
