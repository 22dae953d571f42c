"""Code of others that raises what ends a program: it is broken, and the command says so with exit code 3."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.plugins.discovery import load_file
from xprun.plugins.registry import REGISTRY, PluginError
from xprun.plugins.user_signals import noted_signals
from xprun.runner.cli.main import main
from xprun.runner.workers.isolated import WorkerError, run_isolated

Write = Callable[[str], Path]
RULE = """from xprun.plugins import optimizer
def check(lr):
    {check}
@optimizer("mine", check=check)
def mine(w, g, *, lr=0.1):
    return w - lr * g
{end}
"""
# What ends a program, and how it is told.
ENDS = {
    "raise SystemExit(0)": "SystemExit: 0",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise GeneratorExit": "GeneratorExit",
    "import click; click.get_current_context().exit()": "Exit: 0",
    "class End(BaseException): pass\nraise End('of it')": "End: of it",
    "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute": "Mute: (its message is not",
    "import beside_that_ends": "KeyboardInterrupt",
}


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command in a folder of the test's own, in which a module ends who imports it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("beside_that_ends.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize("end", ENDS)
def test_a_file_that_ends_the_program_when_it_is_imported_is_broken(
    invoke: Callable[..., Result], write: Write, line_spec: str, end: str
) -> None:
    Path("mine.py").write_text(RULE.format(check="return []", end=end), encoding="utf-8")
    result = invoke("check", write(line_spec), "--plugin", "mine.py")
    assert result.exit_code == 3
    assert "the plugin cannot be imported" in result.stderr
    assert ENDS[end] in result.stderr


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "raise KeyboardInterrupt", "1 / 0"])
def test_a_check_of_a_component_that_ends_the_program_is_broken(
    invoke: Callable[..., Result], write: Write, line_spec: str, end: str
) -> None:
    Path("mine.py").write_text(RULE.format(check=end, end=""), encoding="utf-8")
    result = invoke("check", write(line_spec.replace("scratch.gd", "mine")), "--plugin", "mine.py")
    assert result.exit_code == 3
    assert "the check of the optimizer 'mine'" in result.stderr


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()])
def test_what_ends_a_worker_does_not_end_its_parent(error: BaseException) -> None:
    with pytest.raises(WorkerError, match=type(error).__name__):
        run_isolated(_raise, error)


def _raise(error: BaseException) -> None:
    raise error


def test_an_observer_and_a_plot_that_end_the_program_cost_what_they_would_have_made(
    invoke: Callable[..., Result], write: Write, line_spec: str
) -> None:
    Path("mine.py").write_text(
        "from xprun.plugins import observer, plot\nimport sys\n"
        "@observer('ends')\ndef ends():\n    return lambda folder, settings, history, results: sys.exit(0)\n"
        "@plot('ends')\ndef drawn(runs):\n    raise KeyboardInterrupt\n",
        encoding="utf-8",
    )
    spec = write(f'{line_spec}observers = ["ends"]\n[compare]\nplots = ["ends"]\n')
    result = invoke(spec, "-o", "out", "--plugin", "mine.py", "-j", 1)
    assert result.exit_code == 0, result.output
    assert "the observer ends did not write run" in result.stderr
    assert "ends did not draw this plot: PluginError: it raises KeyboardInterrupt" in Path("out/report.md").read_text()


def test_what_nothing_else_expects_to_end_the_program_is_no_success(
    invoke: Callable[..., Result], write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xprun.runner.cli.check._check", lambda *given, **more: sys.exit(0))
    result = invoke("check", write(line_spec))
    assert result.exit_code == 3
    assert "ended by code that is not xprun's: SystemExit: 0" in result.stderr


def test_an_interrupt_of_the_user_while_a_file_is_imported_is_one(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)\n")
    with pytest.raises(KeyboardInterrupt):
        load_file(REGISTRY, slow)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    slow.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(PluginError, match="KeyboardInterrupt"):
        load_file(REGISTRY, slow)


def test_a_handler_that_the_code_inside_sets_stays() -> None:
    def handler(number: int, frame: object) -> None: ...

    before = signal.getsignal(signal.SIGTERM)
    try:
        with noted_signals():
            signal.signal(signal.SIGINT, handler)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_command_itself_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt\n")
    command = [sys.executable, "-m", "xprun", "ls", "--plugin", "mine.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 3
    assert "mine.py:1: the plugin cannot be imported: KeyboardInterrupt" in result.stderr
