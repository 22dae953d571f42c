"""An output folder is opened again, by whoever has nothing else left of the experiment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.folders import Case, write_folder
from xprun import open_results, run
from xprun.reports import ReportError

SPEC = """
data = { name = "line", batch_size = "full", valid = 0.2 }
model = { name = "linear" }
loss = { name = "MSELoss" }
run = { steps = 20, seeds = 2 }
compare = { metric = "valid.loss" }
[[optimizer]]
name = "SGD"
label = "NA"
lr = 0.1
[[optimizer]]
name = "SGD"
label = "None"
lr = 0.01
[[optimizer]]
name = "SGD"
label = "nan"
lr = 0.05
[[expect]]
value = "steps"
equals = 20
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC, encoding="utf-8")
    return run(spec, output=tmp_path / "out", quiet=True).folder


def test_an_earlier_folder_gives_what_its_run_gave(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").unlink()
    opened = open_results(str(folder))
    assert repr(opened) == f"<spec: 6 runs (6 done) in {folder}>"
    assert opened.ranking["optimizer"].tolist() == ["NA", "nan", "None"]
    assert opened.best is not None
    assert (opened.best["optimizer"], opened.best["ended"]) == ("NA", 2)
    assert set(opened.history["run"]) == set(opened.runs["run"])
    assert opened.claims["verdict"].tolist() == ["ok"]


def test_labels_that_pandas_takes_for_missing_come_back_as_they_were_written(folder: Path) -> None:
    results = open_results(folder)
    assert results.runs["optimizer"].tolist() == ["NA", "NA", "None", "None", "nan", "nan"]
    assert results.runs["reason"].tolist() == [""] * 6
    assert len(results.ranking) == 3


def test_the_report_is_written_into_the_folder(folder: Path) -> None:
    assert not (folder / "report.html").exists()
    written = open_results(folder).report()
    assert {folder / "report.html", folder / "report.md"} <= set(written)
    assert re.search("<title>[^<]*spec", (folder / "report.html").read_text(encoding="utf-8"))
    assert {path.suffix for path in open_results(folder).report(["md", "latex"])} == {".md", ".tex", ".png"}
    with pytest.raises(ValueError, match="docx"):
        open_results(folder).report(["docx"])


def test_tables_made_elsewhere_are_opened_without_what_xprun_records_beside_them(tmp_path: Path) -> None:
    made = write_folder(tmp_path / "made", [Case("A", 0.1, [1.0, 2.0]), Case("B", 0.1, [3.0, 4.0])], resolved=False)
    results = open_results(made)
    assert results.ranking[["optimizer", "final.loss"]]["optimizer"].is_unique
    assert repr(results) == f"<made: 4 runs (4 done) in {made}>"


def test_what_a_killed_program_had_saved_is_opened(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    told = json.loads((folder / ".progress.json").read_text(encoding="utf-8"))
    killed = told | {"process": dead.pid, "over": False, "statuses": {"done": 4}}
    (folder / ".progress.json").write_text(json.dumps(killed), encoding="utf-8")
    (folder / ".holder.json").write_text("{}", encoding="utf-8")
    (folder / "results.csv").unlink()
    assert open_results(folder).statuses == {"done": 6}


def test_no_setting_is_best_where_none_came_to_its_end(tmp_path: Path) -> None:
    made = write_folder(tmp_path / "made", [Case("A", 0.1, [1.0, None]), Case("B", 0.1, [None, None])])
    results = open_results(made)
    assert results.best is None
    assert results.ranking["ended"].tolist() == [1, 0]


def test_a_folder_without_results_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"results.csv: no such file"):
        open_results(tmp_path / "nowhere")
    pd.DataFrame({"run": ["a"]}).to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(ReportError, match="no column 'seed'"):
        open_results(tmp_path)
