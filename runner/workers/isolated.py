"""Calls a function in a worker process: whatever becomes of that process, this one goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from xprun.errors import Error
from xprun.runner.workers.exits import ForkServerExit, StartFailure, WorkerExit
from xprun.runner.workers.handle import Worker
from xprun.runner.workers.messages import Failure, Result
from xprun.runner.workers.pool import SUPERVISES, get_pool

T = TypeVar("T")
MOST_SERVER_EXITS = 2  # in a row, in the course of one call
LONG = 0.5  # seconds of a call, after which other workers are at work meanwhile


class WorkerError(Error):
    """What was to be done in a worker was not: the worker died, or raised what is unknown here."""

    exit_code = 3
    context = "{spec}: "


class Meanwhile:
    """What so many other workers are to do in the course of a call, so that they are ready for what comes then."""

    def __init__(self, workers: int, purpose: str, function: Callable[..., Any], *arguments: Any) -> None:
        self._count, self._purpose, self._task = workers, purpose, (function, *arguments)
        self._workers: list[Worker] = []

    def begin(self) -> None:
        pool = get_pool()
        for _ in range(self._count):
            self._workers.append(pool.acquire(self._purpose))
            pool.submit(self._workers[-1], *self._task)

    def end(self, *, wanted: bool) -> None:
        """Keep the workers that have done it, or end them all; one that fails tells it when its runs do."""
        pool = get_pool()
        for worker in self._workers:
            if wanted and isinstance(pool.wait(worker), Result):
                pool.release(worker, self._purpose)
            else:
                pool.discard(worker)


def run_isolated(
    function: Callable[..., T],
    *arguments: Any,
    limit: float | None = None,
    purpose: str = "",
    meanwhile: Meanwhile | None = None,
) -> T:
    """Return what a function returns, called in a worker: for whatever runs code of components.

    The function is one of a module, and its arguments and value can be pickled. Raises what the function raises where
    Python or xprun defines that, and WorkerError for anything else, the death of the worker included. A worker that
    takes more than `limit` seconds is ended. One in which components have run is used again only for the same
    `purpose`, if there is one. If it takes long, other workers do `meanwhile` what is asked of them. Where somebody has
    killed the worker, the function is called once more; where workers cannot be had, on Windows, in this process.
    """
    if not SUPERVISES:
        return function(*arguments)
    answer = _call(limit, purpose, meanwhile, function, *arguments)
    if isinstance(answer, WorkerExit) and answer.killed_by_others:
        answer = _call(limit, purpose, None, function, *arguments)
    if isinstance(answer, Result):
        return answer.value  # type: ignore[no-any-return]
    if isinstance(answer, Failure):
        error = answer.error or WorkerError(answer.words)
        error.add_note(f"In the worker:\n{answer.trace}")
        raise error
    raise WorkerError(answer.reason)


def _call(
    limit: float | None, purpose: str, meanwhile: Meanwhile | None, function: Callable[..., Any], *arguments: Any
) -> Result | Failure | WorkerExit:
    """Return what comes of a call in a worker that has taken it up.

    Raises WorkerError where the process from which workers are forked ends with it again and again.
    """
    pool, server_exits = get_pool(), 0
    while server_exits < MOST_SERVER_EXITS:
        worker = pool.acquire(purpose)
        try:
            pool.submit(worker, function, *arguments, limit=limit)
            answer = pool.wait(worker, LONG, meanwhile.begin) if meanwhile else pool.wait(worker)
        except BaseException:  # an interrupt: nobody waits for the worker any more
            pool.discard(worker)
            raise
        if isinstance(answer, Result):
            pool.release(worker, purpose)
        if isinstance(answer, Failure):
            pool.discard(worker)  # who knows what was left behind in it
        if not isinstance(answer, StartFailure | ForkServerExit):
            return answer
        server_exits += isinstance(answer, ForkServerExit) and worker.has_started
    raise WorkerError(f"the process from which workers are forked has ended {MOST_SERVER_EXITS} times in a row")
