"""What `--help` says: everything on a screen, and how to get the options of a run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main

LONGEST = 45  # characters of a summary, which then stands on one line of a narrow terminal


def summaries(group: click.Group, name: str = "xprun") -> Iterator[tuple[str, str]]:
    for word, command in group.commands.items():
        yield f"{name} {word}", command.get_short_help_str(limit=1000)
        if isinstance(command, click.Group):
            yield from summaries(command, f"{name} {word}")


@pytest.mark.parametrize(("command", "summary"), list(summaries(main)))
def test_a_summary_fits(command: str, summary: str) -> None:
    assert 0 < len(summary.rstrip(".")) <= LONGEST


def test_the_list_of_commands_shows_every_summary_whole() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert "..." not in shown.partition("Commands:")[2]
    assert "Check a spec for errors without running it" in shown


def test_help_says_how_to_get_the_options_of_a_run() -> None:
    assert "xprun run --help" in CliRunner().invoke(main, ["--help"]).stdout
    options = CliRunner().invoke(main, ["run", "--help"]).stdout
    assert "--output" in options
    assert "--live-at" in options


def test_help_reads_nothing_of_the_language_of_specs(tmp_path: Path) -> None:
    program = (
        "import sys; from xprun.runner.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'pydantic', 'xprun.specs', 'xprun.plugins', 'xprun.reports', 'json'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
