"""Launchers: what executes cohorts. A distributed engine can be plugged in here without touching loops or store."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from xprun.plugins.registry import launcher
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Cohort

Execute = Callable[[Cohort], Iterable[list[Outcome]]]


@launcher("inline")
def inline(cohorts: list[Cohort], execute: Execute, workers: int) -> Iterator[list[Outcome]]:
    """One cohort after the other in this process."""
    for cohort in cohorts:
        yield from execute(cohort)


@launcher("processes")
def processes(cohorts: list[Cohort], execute: Execute, workers: int) -> Iterator[list[Outcome]]:
    """Cohorts, cut into parts, in worker processes of this machine.

    Workers are spawned: a fork after torch has started its threads would hang. Each has a pipe of its own, so that
    one that is killed in the middle of a message leaves nobody waiting. The runs of a worker that dies are `failed`.
    """
    parts = [part for cohort in cohorts for part in cohort.split(2 * workers)]
    crew: dict[Connection, SpawnProcess] = dict(_hire(execute) for _ in range(min(workers, len(parts))))
    busy: dict[Connection, Cohort] = {}
    try:
        while parts or busy:
            for connection in crew:
                if parts and connection not in busy:
                    busy[connection] = parts.pop(0)
                    connection.send(busy[connection])
            ready = wait(list(busy))
            for connection in [connection for connection in busy if connection in ready]:
                try:
                    outcomes = connection.recv()
                except (EOFError, OSError):
                    yield _lost(busy.pop(connection), crew.pop(connection))
                    crew.update([_hire(execute)] if parts else [])
                    continue
                if outcomes is None:
                    del busy[connection]
                else:
                    busy[connection] = _without(busy[connection], outcomes)
                    yield outcomes
    finally:
        for process in crew.values():
            process.terminate()
        for process in crew.values():
            process.join()


def _hire(execute: Execute) -> tuple[Connection, SpawnProcess]:
    """Return a new worker with the parent's end of its pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, execute), daemon=True)
    process.start()
    theirs.close()  # so that the worker's end closes when the worker dies
    return ours, process


def _work(connection: Connection, execute: Execute) -> None:
    """Execute the cohorts that come through the pipe, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    try:
        while True:
            for outcomes in execute(connection.recv()):
                connection.send(outcomes)  # at once, so that they are saved whatever becomes of this process
            connection.send(None)
    except (EOFError, OSError):
        return


def _without(part: Cohort, outcomes: list[Outcome]) -> Cohort:
    """Return the runs of a part that have no outcome yet."""
    ended = {outcome.run for outcome in outcomes}
    return Cohort([run for run in part.runs if run.id not in ended])


def _lost(part: Cohort, process: SpawnProcess) -> list[Outcome]:
    process.join()
    reason = f"its worker process ended with exit code {process.exitcode}"
    return [Outcome(run.id, "failed", reason) for run in part.runs]
