"""Leads cohorts: supervises their training in worker processes of this machine, whoever has brought them here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from xprun.plugins.machine import host_mark
from xprun.runner.execution.dispatcher import Dispatcher, Task
from xprun.runner.execution.places import arrive
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort, cut
from xprun.runner.results.outcome import Outcome
from xprun.runner.workers.pool import get_pool
from xprun.runner.workload.devices import kind_of


def lead(context: Context, cohort: Cohort) -> Iterator[list[Outcome]]:
    """Yield the outcomes of a cohort's runs as they come, trained on this machine in a supervised worker process.

    A launcher calls it wherever it has moved the cohort. Whatever the components do, each run of the cohort has exactly
    one outcome in the end: `run.timeout`, crashes and the search for the run that caused them are cared for here.
    Workers end with the process that calls it, and with the generator if that is closed. An empty list says that
    whoever listens to the progress of the training in this thread has heard something.

    Raises PlaceError where this place lacks what the runs need, OutputError where a snapshot cannot be saved, and
    WorkerStartError where no worker can be had. A fault of the place is no outcome: nothing of it is stored.
    """
    here = arrive(context, cohort)
    yield from lead_all(here, [cohort])
    if kind_of(here.device) == "cuda":
        get_pool().stop_workers()  # the next cohort may be given another GPU


def lead_all(context: Context, cohorts: Sequence[Cohort]) -> Iterator[list[Outcome]]:
    """Yield the outcomes of cohorts of which `context.workers` processes of this machine train parts at a time."""
    tasks = [
        Task(part.runs, part.program, part.is_part or len(part.runs) > 1, part.layout)
        for part in cut(cohorts, context.workers)
    ]
    told = context.told_by(context.workers)
    dispatcher = Dispatcher(get_pool(), told.execute, context.workers, deque(tasks))
    try:
        for outcomes in dispatcher.outcomes():
            for outcome in outcomes:
                outcome.host, outcome.device = host_mark(), outcome.device or context.device
            yield outcomes
    finally:
        dispatcher.stop()
