"""Other settings in the same folder replace its tables and its report: that is said, and can be avoided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Write = Callable[..., Path]
Xprun = Callable[..., Result]


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, line_spec: str) -> Xprun:
    """Return a function that runs `line.toml` with some words, without a report."""
    monkeypatch.chdir(tmp_path)
    write(line_spec, "line.toml")
    return lambda *words: CliRunner().invoke(main, ["line.toml", "--no-report", "-j", "0", *words])


def test_other_settings_are_told_with_what_they_replace(xprun: Xprun) -> None:
    assert "replaces" not in xprun().stderr
    assert "replaces" not in xprun().stderr
    changed = xprun("--set", "optimizer.lr=0.2").stderr
    were = "note: replaces the tables and the report in runs/line, which are of the spec without --set"
    assert f"{were}; its runs are kept. -o FOLDER keeps both" in changed
    assert "replaces" not in xprun("--set", "optimizer.lr=0.2").stderr
    assert "which are of --set optimizer.lr=0.2;" in xprun("--set", "optimizer.lr=0.3", "--set", "run.seeds=2").stderr
    assert "which are of --set optimizer.lr=0.3 --set run.seeds=2;" in xprun().stderr


def test_another_folder_or_what_changes_no_result_replaces_nothing(xprun: Xprun) -> None:
    xprun()
    assert "replaces" not in xprun("-o", "other", "--set", "optimizer.lr=0.2").stderr
    assert "replaces" not in xprun("-q", "--set", "optimizer.lr=0.2").stderr
    assert Path("other/results.csv").exists()


def test_without_a_report_there_are_tables_only(xprun: Xprun) -> None:
    result = xprun()
    assert result.exit_code == 0
    assert "wrote runs/line/results.csv" in result.stdout
    assert "report" not in result.stdout
    assert not list(Path("runs/line").glob("report.*"))
    assert CliRunner().invoke(main, ["report", "runs/line"]).exit_code == 0
    assert Path("runs/line/report.html").exists()
