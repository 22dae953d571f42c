"""Files of components, given on the command line or by the project in which the user stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Write = Callable[[str], Path]
Xprun = Callable[..., Result]
RULE = """
from xprun.plugins import optimizer

@optimizer("mine")
def mine(w, g, *, lr=0.1):
    return w - {} * lr * g
"""


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xprun:
    """Return a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def spec(write: Write, line_spec: str) -> Path:
    """A spec that asks for the rule of the plugin."""
    return write(line_spec.replace("scratch.gd", "mine"))


def test_the_project_of_the_working_directory_names_plugins(xprun: Xprun, spec: Path) -> None:
    Path("rules.py").write_text(RULE.format(1), encoding="utf-8")
    assert xprun("check", spec).exit_code == 2
    Path("pyproject.toml").write_text('[tool.xprun]\nplugins = ["rules.py"]\n', encoding="utf-8")
    assert xprun("check", spec).stdout == f"{spec}: ok, 1 runs\n"
    assert "rules.py:4)" in xprun("describe", "mine").stdout
    assert xprun(spec, "-o", "out").exit_code == 0
    assert json.loads(Path("out/environment.json").read_text(encoding="utf-8"))["plugins"] == ["rules.py"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.xprun]\nplugins = 'rules.py'\n", "plugins must be a list of files"),
        ("[tool", "pyproject.toml: invalid TOML"),
        ("[tool.xprun]\nplugins = ['nowhere.py']\n", "nowhere.py: there is no such Python file"),
    ],
)
def test_what_the_project_says_wrongly_is_told(xprun: Xprun, spec: Path, text: str, message: str) -> None:
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    result = xprun("check", spec)
    assert result.exit_code == 3
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_changed_source_is_trained_anew(xprun: Xprun, spec: Path) -> None:
    ends = []
    for factor in (1, 2, 1):
        Path("rules.py").write_text(RULE.format(factor), encoding="utf-8")
        result = xprun("--plugin", "rules.py", spec, "-o", "out")
        ends.append(pd.read_csv("out/results.csv")["final.loss"].item())
        assert ("1 cached" in result.stderr) == (len(ends) == 3)
    assert ends[0] == ends[2] != ends[1]
