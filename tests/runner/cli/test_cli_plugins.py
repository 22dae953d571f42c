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
TOUCH = 'from pathlib import Path\nPath("ran").touch()\n'


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xprun:
    """Return a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
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
        ("[tool]\nxprun = 1\n", "plugins must be a list of files"),
        ("[tool.xprun]\nplugins = [1]\n", "plugins must be a list of files"),
        ('[tool.xprun]\nplugins = ["a\\u0000b"]\n', "plugins must be a list of files"),
        (f"x = {'[' * 9999}", "pyproject.toml: invalid TOML"),
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


@pytest.mark.parametrize("text", ["tool = 3\n", "tool = [1]\n", "[tool]\nother = 1\n", "tool = 2026-11-30\n"])
def test_what_a_project_says_to_others_is_no_matter_of_ours(
    xprun: Xprun, write: Write, line_spec: str, text: str
) -> None:
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    assert xprun("check", write(line_spec)).exit_code == 0


def test_that_code_of_the_project_runs_is_said_in_the_first_line_once(xprun: Xprun, spec: Path) -> None:
    Path("rules.py").write_text(RULE.format(1), encoding="utf-8")
    Path("pyproject.toml").write_text('[tool.xprun]\nplugins = ["rules.py"]\n', encoding="utf-8")
    first, *_ = xprun("check", spec).stderr.splitlines()
    said = "note: pyproject.toml names plugins, whose code runs here: {}; --no-project-plugins leaves them out"
    assert first == said.format("rules.py")
    assert xprun("check", spec).stderr == xprun("ls", "optimizer").stderr == ""
    Path("more.py").write_text("", encoding="utf-8")
    Path("pyproject.toml").write_text('[tool.xprun]\nplugins = ["rules.py", "more.py"]\n', encoding="utf-8")
    assert xprun("ls", "optimizer").stderr == said.format("rules.py, more.py") + "\n"


def test_it_is_said_each_time_where_it_cannot_be_remembered(xprun: Xprun) -> None:
    Path("rules.py").write_text(RULE.format(1), encoding="utf-8")
    Path("pyproject.toml").write_text('[tool.xprun]\nplugins = ["rules.py"]\n', encoding="utf-8")
    Path("cache").write_text("a file where the folder should be", encoding="utf-8")
    assert xprun("ls", "optimizer").stderr == xprun("ls", "optimizer").stderr != ""


@pytest.mark.parametrize(
    "command", [["ls"], ["check", "spec.toml"], ["describe", "SGD"], ["plan", "spec.toml"], ["init", "x.toml"]]
)
@pytest.mark.parametrize("how", ["option", "environment"])
def test_code_of_a_strangers_project_is_left_out(
    xprun: Xprun, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch, command: list[str], how: str
) -> None:
    write(line_spec)
    Path("rules.py").write_text(TOUCH, encoding="utf-8")
    Path("pyproject.toml").write_text('[tool.xprun]\nplugins = ["rules.py"]\n', encoding="utf-8")
    if how == "environment":
        monkeypatch.setenv("XPRUN_NO_PROJECT_PLUGINS", "1")
    result = xprun(*command, *(["--no-project-plugins"] if how == "option" else []))
    assert result.exit_code == 0, result.output
    assert not Path("ran").exists()
    xprun(*command)
    assert Path("ran").exists() is (how == "option")


def test_a_completion_runs_no_code_of_the_project(xprun: Xprun, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rules.py").write_text(TOUCH, encoding="utf-8")
    Path("pyproject.toml").write_text('[tool.xprun]\nplugins = ["rules.py"]\n', encoding="utf-8")
    for words in ("xprun describe SG", "xprun check --plugin rules.py ", "xprun ls opt"):
        monkeypatch.setenv("_XPRUN_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        assert CliRunner().invoke(main, [], prog_name="xprun").exit_code == 0
    assert not Path("ran").exists()


def test_the_command_to_go_on_leaves_out_what_was_left_out(
    xprun: Xprun, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xprun.runner.experiment.remove_leftovers", fail)
    assert "--no-project-plugins" in xprun(write(line_spec), "--no-project-plugins").stderr
    assert "--no-project-plugins" not in xprun(write(line_spec)).stderr
