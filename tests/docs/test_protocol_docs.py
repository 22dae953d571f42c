"""The suite of docs/protocol.md can be benched, and its options are those of the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.runner.bench.requirements import MEASURES
from xprun.runner.cli.bench import bench
from xprun.runner.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def example(page: str) -> str:
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.toml").write_text(example(LANGUAGE), encoding="utf-8")
    Path("suite.toml").write_text(example(PAGE), encoding="utf-8")


def test_the_suite_is_one() -> None:
    assert CliRunner().invoke(main, ["check", "suite.toml"]).stdout.startswith("suite.toml: ok, 2 runs\n")
    made = CliRunner().invoke(main, ["bench", "NAdam", "--suite", "suite.toml", "--spec-only"])
    assert made.exit_code == 0, made.output
    checked = CliRunner().invoke(main, ["check", "bench-NAdam.toml"]).stdout
    assert checked.startswith("bench-NAdam.toml: ok, 360 runs, then 168 on fresh seeds\n")


def test_every_option_of_the_command_is_told() -> None:
    own = [name for parameter in bench.params[1:9] for name in parameter.opts]
    assert len(own) == 8
    assert all(name in PAGE for name in own)


def test_every_measure_is_told() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `--require"))
    assert set(re.findall(r"`(\w+)`", row)) == set(MEASURES)
