"""Each run has one outcome, whatever a launcher does; what it does wrong is one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from xprun.launching import LauncherError, Outcome, lost
from xprun.plugins import launcher
from xprun.plugins.registry import REGISTRY
from xprun.results import open_results
from xprun.runner.cli.main import main

Write = Callable[[str], Path]


@pytest.fixture
def run(write: Write, line_spec: str, tmp_path: Path) -> Callable[[Callable[..., Any]], Result]:
    """Return a function that runs two seeds of a line by a launcher."""
    spec = write(line_spec.replace("steps = 5", "steps = 5\nseeds = 2"))

    def run_by(function: Callable[..., Any]) -> Result:
        launcher("mine")(function)
        command = [str(spec), "-o", str(tmp_path / "out"), "--no-report", "-q", "--launcher", "mine"]
        return CliRunner().invoke(main, command)

    return run_by


def outcomes(cohorts: Any) -> list[Outcome]:
    return [Outcome(run.id, "done") for cohort in cohorts for run in cohort.runs]


def test_a_run_that_is_told_twice_or_was_not_given_is_refused(run: Any, tmp_path: Path) -> None:
    def twice(cohorts: Any, context: Any) -> Iterator[Any]:
        yield outcomes(cohorts)
        yield outcomes(cohorts)

    result = run(twice)
    assert result.exit_code == 3
    assert "the launcher 'mine', " in result.stderr
    assert " again, or was not given it" in result.stderr


def test_a_launcher_that_forgets_runs_is_told(run: Any, tmp_path: Path) -> None:
    def forgetful(cohorts: Any, context: Any) -> Iterator[Any]:
        yield outcomes(cohorts)[:1]

    result = run(forgetful)
    assert result.exit_code == 3
    assert result.stderr.endswith("has ended without 1 run\n")


def test_what_it_raises_is_one_line_with_its_place(run: Any) -> None:
    def broken(cohorts: Any, context: Any) -> Iterator[Any]:
        raise ZeroDivisionError("too\nbad")
        yield

    result = run(broken)
    assert result.exit_code == 3
    assert "failed: ZeroDivisionError: too bad (test_launcher_contract.py:" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_error_of_xprun_keeps_its_words(run: Any) -> None:
    def unreachable(cohorts: Any, context: Any) -> Iterator[Any]:
        raise LauncherError("nobody answers")
        yield

    assert run(unreachable).stderr.endswith("spec.toml: nobody answers\n")


def test_a_lost_part_is_told_and_tried_again(run: Any, tmp_path: Path) -> None:
    calls: list[list[str]] = []
    installed = REGISTRY.copy()

    def unlucky(cohorts: Any, context: Any) -> Iterator[Any]:
        calls.append([run.id for cohort in cohorts for run in cohort.runs])
        yield lost(cohorts[0].runs[:1], "its machine is gone")
        for cohort in cohorts:
            yield from context.execute(cohort.rest({run.id for run in cohort.runs[1:]}))

    result = run(unlucky)
    assert (result.exit_code, "failed: its machine is gone" in result.stderr) == (1, True)
    assert open_results(tmp_path / "out").runs["status"].tolist() == ["failed", "done"]

    def lucky(cohorts: Any, context: Any) -> Iterator[Any]:
        calls.append([run.id for cohort in cohorts for run in cohort.runs])
        for cohort in cohorts:
            yield from context.execute(cohort)

    REGISTRY.restore(installed)
    assert run(lucky).exit_code == 0
    assert calls[1] == calls[0][:1]
