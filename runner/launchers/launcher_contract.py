"""Lets a launcher train cohorts, and holds it to its contract: each run has one outcome, and nothing else comes."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from xprun.errors import Error
from xprun.plugins.registry import Component, Registry
from xprun.runner.execution.worker_context import Context
from xprun.runner.launchers.choice import Launcher, LauncherError
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import words_of
from xprun.runner.results.outcome import Outcome
from xprun.specs import Run
from xprun.specs.language.wording import plural


def launch(registry: Registry, chosen: Launcher, cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
    """Yield the outcomes of all runs of cohorts, as a launcher tells them.

    Raises LauncherError where it tells of a run twice, or of none that it was given, or of some not at all, and for
    what a launcher of a third party raises that is no error of xprun's.
    """
    component = registry.find("launcher", chosen.name)
    pending = {run.id for cohort in cohorts for run in cohort.runs}
    for outcomes in _called(component, chosen, cohorts, context):
        for outcome in outcomes:
            if outcome.run not in pending:
                raise LauncherError(f"{_named(component)} tells of the run {outcome.run!r} again, or was not given it")
            pending.remove(outcome.run)
        yield outcomes
    if pending:
        raise LauncherError(f"{_named(component)} has ended without {len(pending):,} {plural('run', len(pending))}")


def _called(component: Component, chosen: Launcher, cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
    """Yield what a launcher yields; what it raises on top of xprun's errors is told in one line, with its place."""
    try:
        yield from component.load()(cohorts, context, **chosen.settings)
    except Error:
        raise
    except Exception as error:
        if component.origin.source == "built-in" or context.debug:
            raise
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == component.origin.file
        ]
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        raise LauncherError(f"{_named(component)} failed: {type(error).__name__}: {words_of(error)}{place}") from error


def _named(component: Component) -> str:
    return f"the launcher {component.name!r}, {component.origin},"


def lost(runs: Iterable[Run], reason: str) -> list[Outcome]:
    """Return the outcomes of runs that a launcher gives up: `failed` for a reason that is no fault of theirs.

    They are told in the tables, and tried again by the next command.
    """
    return [Outcome(run.id, "failed", reason, cacheable=False) for run in runs]
