"""A Python program runs a spec and has its tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli
from xprun import run, try_optimizer
from xprun.plugins import optimizer
from xprun.specs import SpecError

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def spec(line_spec: str) -> dict[str, Any]:
    return tomli.loads(line_spec)


def test_a_file_gives_the_tables_on_disk(write: Write, line_spec: str) -> None:
    results = run(write(line_spec), settings={"run.seeds": 2, "optimizer.lr": [0.1, 0.2]}, quiet=True)
    assert results.folder == Path("runs/spec")
    assert results.statuses == {"done": 4}
    table = pd.read_csv("runs/spec/results.csv", dtype={"run": str}, keep_default_na=False)
    pd.testing.assert_frame_equal(results.runs, table)
    assert set(results.history["run"]) == set(results.runs["run"])
    assert results.runs["optimizer.lr"].tolist() == [0.1, 0.1, 0.2, 0.2]


def test_a_dictionary_is_the_same_runs_as_its_file(write: Write, line_spec: str, spec: dict[str, Any]) -> None:
    spec["optimizer"]["lr"] = {"grid": np.array([0.1, 0.2])}
    of_file = run(write(line_spec), settings=["optimizer.lr=[0.1, 0.2]"], output="file", quiet=True)
    of_dictionary = run(spec, output="dictionary", quiet=True)
    assert of_dictionary.runs["run"].tolist() == of_file.runs["run"].tolist()
    assert tomli.loads(Path("dictionary/spec.toml").read_text(encoding="utf-8"))["optimizer"]["lr"] == {
        "grid": [0.1, 0.2]
    }


def test_progress_is_told_unless_it_is_to_be_quiet(spec: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    run(spec, quiet=True)
    assert capfd.readouterr().err == ""
    run(spec)
    assert "1 cached, 0 to run" in capfd.readouterr().err


def test_mistakes_are_shown_as_on_the_command_line(spec: dict[str, Any]) -> None:
    spec["optimizer"]["lr"] = "fast"
    with pytest.raises(SpecError, match=r'dictionary:\d+:\d+: optimizer.lr: must be a number, not "fast"'):
        run(spec)
    with pytest.raises(SpecError, match="there is no device 'cuda:99' on this machine"):
        run({**spec, "optimizer": {"name": "scratch.gd"}}, device="cuda:99")
    with pytest.raises(TypeError, match=r"optimizer.lr: a spec cannot hold None; leave it out"):
        run({**spec, "optimizer": {"name": "scratch.gd", "lr": None}})


def test_a_component_of_the_program_is_known(spec: dict[str, Any]) -> None:
    @optimizer("mine")
    def mine(w, g, *, lr=0.1):  # type: ignore[no-untyped-def]
        return w - lr * g

    spec["optimizer"] = {"name": "mine", "lr": 0.1}
    mine_loss = run(spec, quiet=True).runs["final.loss"].item()
    assert mine_loss == pytest.approx(
        run({**spec, "optimizer": {"name": "scratch.gd", "lr": 0.1}}, quiet=True).runs["final.loss"].item()
    )
    assert try_optimizer("mine", against="scratch.gd", lr=0.2).problems == []


def test_a_notebook_shows_the_ranking_with_what_failed_last(spec: dict[str, Any]) -> None:
    spec["optimizer"]["lr"] = {"grid": [1e9, 0.01, 0.1]}
    spec["run"] |= {"seeds": 2, "steps": 30}
    results = run(spec, quiet=True)
    assert results.ranking["optimizer.lr"].tolist() == [0.1, 0.01, 1e9]
    assert results.ranking["ended"].tolist() == [2, 2, 0]
    shown = results._repr_html_()
    assert "4 done, 2 diverged" in shown
    assert "<table" in shown
    assert "report" not in shown
    Path("runs/dictionary/report.html").write_text("", encoding="utf-8")
    assert 'href="runs/dictionary/report.html"' in results._repr_html_()


@pytest.mark.parametrize("home", ["xprun", "xprun.runner"])
def test_the_import_is_light(home: str) -> None:
    program = f"import sys; from {home} import run; assert not {{'torch', 'pandas', 'numpy'}} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_word_that_settings_had_first_still_works(spec: dict[str, Any]) -> None:
    with pytest.warns(DeprecationWarning, match=r"run\(set=...\) is now run\(settings=...\)") as warned:
        results = run(spec, set={"run.seeds": 2}, quiet=True)
    assert len(results.runs) == 2
    assert warned[0].filename == __file__
    with pytest.raises(TypeError, match="settings= and set="):
        run(spec, settings={"run.seeds": 2}, set={"run.seeds": 3})
    with pytest.raises(TypeError, match="unexpected keyword argument 'sets'"):
        run(spec, sets={"run.seeds": 2})
