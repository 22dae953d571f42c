"""An interrupt that comes when everything has ended takes nothing away, and says of nothing that it is missing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli import run
from xprun.runner.cli.main import main

Write = Callable[..., Path]
Xprun = Callable[..., Result]
CLAIM = '[[expect]]\nvalue = "loss"\nmax = 0.0\n'


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xprun:
    """Return a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt commands while they write the pages."""
    write_pages = run.write_pages

    def interrupted(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        write_pages(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "write_pages", interrupted)


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize(("claim", "code"), [("", 0), (CLAIM, 1)])
def test_the_exit_code_is_that_of_the_work(xprun: Xprun, write: Write, line_spec: str, claim: str, code: int) -> None:
    result = xprun(write(line_spec + claim), "-o", "out")
    assert result.exit_code == code
    assert "missing" not in result.stderr
    assert Path("out/report.html").is_file()
    assert xprun(Path("spec.toml"), "-o", "out").exit_code == code  # nothing is left to be trained


@pytest.mark.usefixtures("late")
def test_the_specs_behind_it_are_not_begun(xprun: Xprun, write: Write, line_spec: str) -> None:
    result = xprun(write(line_spec, "first.toml"), write(line_spec, "second.toml"))
    assert result.exit_code == 128 + signal.SIGTERM
    assert "all runs of this spec have ended; those of the next ones are missing" in result.stderr
    assert not Path("runs/second").exists()


def test_what_is_missing_is_counted(
    xprun: Xprun, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xprun.runner.stage_training.observe", lambda *given, **more: os.kill(os.getpid(), 15))
    spec = write(line_spec + 'observers = ["tensorboard"]\nengine = "alone"\nseeds = 3\n')
    result = xprun(spec, "-o", "out")
    assert result.exit_code == 128 + signal.SIGTERM
    assert "interrupted; 2 runs are missing. To go on: xprun" in result.stderr
    result = xprun(spec, "-o", "out", "--rerun", "all")
    assert "interrupted; 2 runs are missing" in result.stderr
