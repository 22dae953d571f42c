"""What is not there, or is something else, is told in a line with what was probably meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Write = Callable[..., Path]
Xprun = Callable[..., Result]
RULE = """
from xprun import plugins

raise SystemExit("imported")

@plugins.{kind}("{name}")
def mine(w, g):
    return w
"""


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, line_spec: str) -> Xprun:
    """Return a function that runs the command in a folder with a spec and the output folder of another."""
    monkeypatch.chdir(tmp_path)
    write(line_spec, "mine.toml")
    for folder in ("runs/mine", "empty"):
        Path(folder).mkdir(parents=True)
    Path("runs/mine/results.csv").write_text("run\n", encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("nowhere", "nowhere: no such file or folder; there are runs/mine"),
        ("runs/mime", "runs/mime: no such file or folder; did you mean runs/mine?"),
        ("empty", "empty: not an output folder, as it has no results.csv; there are runs/mine"),
        ("runs", "runs: not an output folder, as it has no results.csv; there are runs/mine"),
        ("mine.toml", "mine.toml: a spec is not an output folder; did you mean runs/mine?"),
        ("runs/mine/results.csv", "runs/mine/results.csv: a file, not an output folder; did you mean runs/mine?"),
    ],
)
def test_a_word_that_is_no_output_folder(xprun: Xprun, folder: str, told: str) -> None:
    commands = [("report", folder), ("diff", folder, "runs/mine"), ("diff", "runs/mine", folder)]
    for command in commands:
        result = xprun(*command)
        assert (result.exit_code, result.stderr) == (2, f"{told}\n")


def test_predictions_of_a_folder_that_is_none(xprun: Xprun) -> None:
    assert (
        "no such file or folder; the folder stands first: xprun predict runs/mine abc"
        in xprun("predict", "abc", "runs/mine").stderr
    )
    assert (
        xprun("predict", "mine.toml", "abc").stderr
        == "mine.toml: a spec is not an output folder; did you mean runs/mine?\n"
    )


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("list", "ls"),
        ("lsit", "ls"),
        ("shwo", "show"),
        ("validate", "check"),
        ("train", "run"),
        ("mine", "mine.toml"),
    ],
)
def test_a_word_that_is_no_command(xprun: Xprun, word: str, meant: str) -> None:
    result = xprun(word)
    assert result.exit_code == 2
    assert f"there is no command or spec {word!r}; did you mean {meant!r}?" in result.stderr


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("mine", "did you mean mine.toml?"),
        ("mime.toml", "did you mean mine.toml?"),
        ("optimizer", "did you mean optimizers?"),
        (".", "specs in that folder: mine.toml"),
        ("runs/mine", "is a directory"),
        ("runs/mine/results.csv", "is not a spec, which is a TOML file"),
    ],
)
def test_a_word_that_is_no_spec(xprun: Xprun, word: str, told: str) -> None:
    result = xprun("plan", word)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("tolerance", ["abc", "1 %x", "-1", "nan", ""])
def test_a_tolerance_that_is_no_number(xprun: Xprun, tolerance: str) -> None:
    result = xprun("diff", "runs/mine", "runs/mine", "--tolerance", tolerance)
    assert result.exit_code == 2
    assert "a tolerance" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("kind", "section", "old"),
    [("optimizer", "optimizer", "scratch.gd"), ("loss", "loss", "MSELoss"), ("data", "data", "line")],
)
def test_a_plugin_that_was_forgotten_is_named(
    xprun: Xprun, write: Write, line_spec: str, kind: str, section: str, old: str
) -> None:
    write(RULE.format(kind=kind, name="mine.own"), "own.py")
    write("def broken(:", "another.py")
    result = xprun("check", write(line_spec.replace(f'"{old}"', '"mine.own"'), "spec.toml"))
    assert result.exit_code == 2
    assert "mine.own is registered in own.py: add --plugin own.py" in result.stderr
    assert "add --plugin own.py" in xprun("describe", "mine.own").stderr


def test_a_plugin_beside_the_spec_or_in_the_project_is_named(
    xprun: Xprun, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("specs").mkdir()
    Path("pyproject.toml").touch()
    spec = write(line_spec.replace('"scratch.gd"', '"mine.own"'), "specs/spec.toml")
    write(RULE.format(kind="optimizer", name="mine.own"), "specs/own.py")
    assert "add --plugin specs/own.py" in xprun("check", spec).stderr
    Path("specs/own.py").rename("own.py")
    monkeypatch.chdir(tmp_path / "specs")
    assert f"add --plugin {tmp_path / 'own.py'}" in xprun("check", "spec.toml").stderr


def test_a_list_for_a_setting_that_is_one_is_told_what_is_wrong_in_it(xprun: Xprun) -> None:
    named = xprun("check", "mine.toml", "--set", "model.name=layers", "--set", 'model.layers=[{name="Relu"}]')
    assert "there is no layer named 'Relu'; did you mean 'ReLU'?" in named.stderr
    seeds = xprun("check", "mine.toml", "--set", 'run.seeds=[1, "b"]')
    assert seeds.stderr.startswith('--set:1:15: run.seeds[1]: must be an integer, not "b"')
    pairs = xprun(
        "check", "mine.toml", "--set", "optimizer.name=Adam", "--set", "optimizer.betas=[[0.9, 0.9], [0.8, 0.9]]"
    )
    assert pairs.stdout.startswith("mine.toml: ok, 2 runs")
