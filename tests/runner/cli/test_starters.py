"""Commands that write something to start from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Xprun = Callable[..., Result]


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xprun:
    """Return a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def test_a_started_spec_checks_and_has_its_schema_beside_it(xprun: Xprun) -> None:
    result = xprun("init")
    assert result.stdout.startswith("wrote experiment.toml and xprun.schema.json")
    assert Path("experiment.toml").read_text(encoding="utf-8").startswith("#:schema ./xprun.schema.json\n")
    assert json.loads(Path("xprun.schema.json").read_text(encoding="utf-8"))["$defs"]["optimizer.Adam"]
    assert xprun("check", "experiment.toml").stdout.startswith(
        "experiment.toml: ok, 27 runs, then 20 on fresh seeds\n  10 fresh seeds, 1 comparison of 2 alternatives: "
    )


def test_a_shipped_spec_is_copied(xprun: Xprun) -> None:
    assert xprun("init", "mine.toml", "--from", "line").exit_code == 0
    assert xprun("check", "mine.toml").exit_code == 0
    assert "y = 3 x + 0.8" in Path("mine.toml").read_text(encoding="utf-8")


def test_nothing_is_overwritten(xprun: Xprun) -> None:
    Path("mine.toml").write_text("precious", encoding="utf-8")
    result = xprun("init", "mine.toml")
    assert result.exit_code == 2
    assert "mine.toml is there already" in result.stderr
    assert Path("mine.toml").read_text(encoding="utf-8") == "precious"
    Path("rules").mkdir()
    assert xprun("new", "plugin", "rules").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["schema", "-o", "taken/x.json"], "taken/x.json: cannot be written: "),
        (["check", "a" * 300], "cannot be read: file name too long"),
        (["init", "--from", "lines"], "there is no shipped spec 'lines'; did you mean 'line'?"),
        (["new", "plugin", "a b"], "'a b' is no name for a distribution"),
        (["new", "plugin", "../up"], "'../up' is no name for a distribution"),
    ],
)
def test_what_makes_no_sense_is_told(xprun: Xprun, arguments: list[str], message: str) -> None:
    Path("taken").write_text("a file, no folder", encoding="utf-8")
    result = xprun(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_new_plugin_is_a_distribution_whose_optimizer_is_right(xprun: Xprun) -> None:
    result = xprun("new", "plugin", "Shiny-rules")
    assert result.exit_code == 0
    folder = Path("Shiny-rules")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "pyproject.toml",
        "shiny_rules.py",
        "test_shiny_rules.py",
    ]
    assert all("my_plugin" not in path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert xprun("check", "--plugin", "Shiny-rules/shiny_rules.py", "shiny_rules.signum").exit_code == 0


def completions(words: str, cwd: Path) -> list[str]:
    """Return what the shell would offer for the last word, after asserting that no torch was imported for it."""
    program = (
        "import os, sys\n"
        f"os.environ.update(_XPRUN_COMPLETE='bash_complete', COMP_WORDS={words!r}, COMP_CWORD='{words.count(' ')}')\n"
        "from xprun.runner.cli.main import main\n"
        "try: main(prog_name='xprun')\nexcept SystemExit: pass\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("xprun che", "plain,check"),
        ("xprun check mi", "file,mi"),
        ("xprun mi", "file,mi"),
        ("xprun opti", "plain,optimizers"),
        ("xprun describe scratch.ad", "plain,scratch.adam"),
        ("xprun ls opt", "plain,optimizer"),
        ("xprun init --from li", "plain,line"),
        ("xprun check --ag", "plain,--against"),
    ],
)
def test_the_shell_completes(words: str, offered: str, tmp_path: Path) -> None:
    assert offered in completions(words, tmp_path)
