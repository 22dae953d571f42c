"""Lines of a grid where there is no terminal: on each training in turn, with numbers, and the result of each run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.progress import progress_of
from support.training import MakePlan
from xprun.runner.results.outcome import Outcome
from xprun.runner.status import progress as progress_module
from xprun.runner.status.progress import Narrator

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: capsys.readouterr().err.splitlines()


def test_verbose_lines_tell_of_each_training_in_turn(
    plan: MakePlan, line_spec: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "VERBOSE_LINES", 0.0)
    made = plan(line_spec.replace("steps = 5", "steps = 5\nseeds = 2"))
    first, second = (run.id for run in made.runs)
    narrator = Narrator(live=False, verbose=True)
    narrator.start(made, made.cohorts(set()), "cpu", 0, 0)
    lines()
    for step in (1, 2):
        for run in (first, second):
            narrator.advanced(progress_of({run: [0.25]}, step=step, steps=5))
    told = [line.partition(",")[0].strip() for line in lines()]
    assert [text.partition(": ")[2] for text in told] == ["step 1 of 5", "step 1 of 5", "step 2 of 5", "step 2 of 5"]
    assert ["seed=0" in text for text in told] == [True, False, True, False]


def test_what_is_told_of_runs_that_nobody_planned_is_not_shown(plan: MakePlan, line_spec: str, lines: Lines) -> None:
    made = plan(line_spec)
    narrator = Narrator(live=False, verbose=True)
    narrator.start(made, made.cohorts(set()), "cpu", 0, 0)
    lines()
    narrator.advanced(progress_of({"stranger": [0.25]}))
    assert lines() == []


def test_a_run_that_ends_is_told_with_what_it_took(plan: MakePlan, line_spec: str, lines: Lines) -> None:
    made = plan(line_spec)
    narrator = Narrator(live=False, verbose=True)
    narrator.start(made, made.cohorts(set()), "cpu", 0, 0)
    lines()
    narrator.ended(made.runs[0], Outcome(made.runs[0].id, "diverged", "the loss is inf at step 3", 3, seconds=0.5))
    [line] = lines()
    assert line.endswith("diverged the loss is inf at step 3; 3 steps in 0.5 s")
