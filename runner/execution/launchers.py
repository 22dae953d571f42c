"""Launchers: what executes cohorts. A distributed engine can be plugged in here without touching loops or store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from xprun.plugins.registry import launcher
from xprun.runner.execution.dispatcher import Dispatcher, Execute, Task
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.results.outcome import Outcome
from xprun.runner.workers.pool import get_pool


@launcher("inline")
def inline(cohorts: list[Cohort], execute: Execute, workers: int) -> Iterator[list[Outcome]]:
    """One cohort after the other in this process: for a debugger."""
    for cohort in cohorts:
        yield from execute(cohort)


@launcher("processes")
def processes(cohorts: list[Cohort], execute: Execute, workers: int) -> Iterator[list[Outcome]]:
    """Cohorts, cut into parts where there are several workers, in supervised processes of this machine.

    Whatever ends a worker, the other runs go on. If several runs were trained together in it, each is tried alone, so
    that only the one that did it is `failed`, or `timeout` after `run.timeout` seconds.
    """
    tasks = [
        Task(part.runs, cohort.program, len(cohort.runs) > 1, part.layout)
        for cohort in cohorts
        for part in (cohort.split(2 * workers) if workers > 1 else [cohort])
    ]
    dispatcher = Dispatcher(get_pool(), execute, workers, deque(tasks))
    try:
        yield from dispatcher.outcomes()
    finally:
        dispatcher.stop()
