"""Notes go where the program wants them: to stderr, to its own logging, or nowhere."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.notes import LONG, MANY, note_in_a_thread
from xprun.runner.cli.main import main
from xprun.runner.process.log import ERROR, note, notes_on_stderr
from xprun.runner.workers.exits import WorkerExit
from xprun.runner.workers.isolated import run_isolated
from xprun.runner.workers.messages import Item, Result
from xprun.runner.workers.pool import get_pool

NOTE = "no loss surface for linear: frozen parameters differ between the seeds"
SPEC = """
data = { name = "line", batch_size = "full" }
model = { name = "linear", freeze = ["b"] }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = 0.1 }
run = { steps = 5, seeds = 2 }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of which something is left out, and said."""
    path = tmp_path / "spec.toml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def stderr_of(program: str, cwd: Path) -> str:
    """Return what Python prints on stderr that runs a program, which is to succeed."""
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_note_is_a_line_on_stderr_that_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with notes_on_stderr():
        note("100% \x1b[31mred")
    note("nobody wants this")
    assert capsys.readouterr().err == "note: 100% \\x1b[31mred\n"


def test_errors_only_leaves_notes_out(capsys: pytest.CaptureFixture[str]) -> None:
    with notes_on_stderr(ERROR):
        note("a note")
        logging.getLogger("xprun.plugin").error("an error")
    assert capsys.readouterr().err == "note: an error\n"


def test_a_note_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    with notes_on_stderr():
        for text in ("of three workers", "of one", "of three workers", "of three workers"):
            note(text)
    assert capsys.readouterr().err == "note: of three workers\nnote: of one\n"


def test_python_shows_notes_unless_it_is_quiet(spec: Path) -> None:
    program = "from xprun import run; run('spec.toml', quiet={}, output='{}')"
    assert f"note: {NOTE}\n" in stderr_of(program.format(False, "loud"), spec.parent)
    assert stderr_of(program.format(True, "quiet"), spec.parent) == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_a_program_that_configures_logging_has_the_notes_its_own_way(spec: Path, quiet: bool) -> None:
    program = f"""
import logging
from xprun import run
logging.basicConfig(format="%(name)s %(levelname)s: %(message)s")
run("spec.toml", quiet={quiet})
"""
    told = stderr_of(program, spec.parent)
    assert [line for line in told.splitlines() if NOTE in line] == [f"xprun WARNING: {NOTE}"]


def test_the_command_shows_notes_unless_it_is_to_print_errors_only(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spec.parent)
    assert f"note: {NOTE}\n" in CliRunner().invoke(main, ["spec.toml", "-o", "loud"]).stderr
    assert CliRunner().invoke(main, ["spec.toml", "-o", "quiet", "-q"]).stderr == ""


def test_notes_of_a_worker_arrive_in_the_program(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    run_isolated(note, "from 100% afar")
    assert caplog.messages == ["from 100% afar"]
    assert caplog.records[0].name == "xprun"
    assert capfd.readouterr().err == ""


def test_warnings_in_a_worker_are_notes_that_say_whose_they_are(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for module, text in (("/x/site-packages/lib/a.py", "is\ndeprecated"), ("/home/me/rules.py", "divides by 0")):
        run_isolated(warnings.warn_explicit, text, UserWarning, module, 3)
    assert caplog.messages == [
        "UserWarning from lib/a.py:3: is deprecated",
        "UserWarning from /home/me/rules.py:3: divides by 0",
    ]
    assert capfd.readouterr().err == ""


def test_notes_of_a_thread_do_not_mix_with_what_its_worker_sends(caplog: pytest.LogCaptureFixture) -> None:
    pool = get_pool()
    worker = pool.acquire()
    pool.submit(worker, note_in_a_thread)
    sent = []
    while not any(isinstance(message, Result | WorkerExit) for message in sent):
        pool.poll()
        sent += worker.messages
        worker.messages.clear()
    assert [message.value for message in sent if isinstance(message, Item)] == ["i" * LONG] * MANY
    assert caplog.messages == ["n" * LONG] * MANY
    pool.discard(worker)
