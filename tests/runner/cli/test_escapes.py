"""Nothing that is printed drives the terminal, wherever it comes from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main
from xprun.runner.predictions import _with_names

torch = pytest.importorskip("torch")

ESCAPE = "\x1b[2J\x1b]0;gotcha\x07\x9b31m"
HOSTILE = {
    "a folder": ["report", f"runs/{ESCAPE}"],
    "a folder to serve": ["report", f"runs/{ESCAPE}", "--live"],
    "a command": [f"ru{ESCAPE}n"],
    "a kind": ["ls", f"data{ESCAPE}"],
    "a component": ["describe", f"SGD{ESCAPE}"],
    "an option": ["run", "spec.toml", f"--lr{ESCAPE}", "1"],
    "an option before a command": [f"--lr{ESCAPE}", "spec.toml"],
    "a value of an option": ["run", "spec.toml", "--jobs", f"1{ESCAPE}"],
    "a choice": ["run", "spec.toml", "--rerun", f"all{ESCAPE}"],
    "a setting in the place of a spec": ["run", f"optimizer.lr={ESCAPE}"],
    "a format": ["run", "spec.toml", "--format", f"html{ESCAPE}"],
    "an address": ["run", "spec.toml", "--live-at", f"80{ESCAPE}"],
    "a tolerance": ["diff", "crafted", "crafted", "--tolerance", f"1{ESCAPE}"],
    "an optimizer": ["check", f"SGD{ESCAPE}"],
    "a setting": ["check", "spec.toml", "--set", f"optimizer.lr{ESCAPE}=1"],
    "a plugin": ["ls", "--plugin", f"{ESCAPE}.py"],
    "columns of a table": ["report", "crafted"],
    "columns of a table to compare": ["diff", "crafted", "crafted"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_spec: str) -> Path:
    """A working directory with a spec and a crafted output folder."""
    monkeypatch.chdir(tmp_path)
    Path("spec.toml").write_text(line_spec, encoding="utf-8")
    Path("crafted").mkdir()
    Path("crafted/results.csv").write_text(f"run,{ESCAPE}\nx,y\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("what", HOSTILE)
def test_words_of_an_error_are_escaped(what: str) -> None:
    result = CliRunner().invoke(main, HOSTILE[what])
    assert result.exit_code != 0
    assert not set("\x1b\x07\x9b") & set(result.output + result.stderr)
    assert r"\x1b" in result.stderr


def test_a_traceback_is_escaped(folder: Path) -> None:
    command = [sys.executable, "-m", "xprun", "report", "crafted", "--debug"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" in result.stderr
    assert r"\x1b" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("name", [ESCAPE, "\x1b[31mred", "a\rb"])
def test_names_of_classes_are_escaped_among_predictions(name: str) -> None:
    columns = {"target": [0], "prediction": [1], "p[0]": [0.5], "p[1]": [0.5]}
    table = pd.DataFrame(_with_names(columns, (name, "dog"), torch.tensor([0])))
    assert not set("\x1b\x07\x9b\r") & set(table.to_csv())


def test_a_repr_is_escaped() -> None:
    from xprun.results import Results

    results = Results(Path("runs"))
    results.__dict__["_tables"] = type("Tables", (), {"resolved": {"name": ESCAPE}, "runs": _RUNS})()
    assert "\x1b" not in repr(results)


_RUNS = pd.DataFrame({"run": ["a"], "status": ["done"]})
