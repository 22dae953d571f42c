"""Calls a function in a worker process: whatever becomes of that process, this one goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from xprun.runner.workers.crew import SUPERVISES, crew
from xprun.runner.workers.deaths import Ending, FalseStart, ServerGone
from xprun.runner.workers.worker import End, Failure

T = TypeVar("T")


class WorkerError(Exception):
    """What was to be done in a worker was not: the worker died, or raised what is unknown here."""


def supervised(function: Callable[..., T], *arguments: Any, limit: float | None = None) -> T:
    """Return what a function returns, called in a worker: for whatever runs code of components.

    The function is one of a module, and its arguments and value can be pickled. Raises what the function raises where
    Python or xprun defines that, and WorkerError for anything else, the death of the worker included. A worker that
    takes more than `limit` seconds is ended. Where workers cannot be had, on Windows, it is called in this process.
    """
    if not SUPERVISES:
        return function(*arguments)
    mine = crew()
    answer: End | Failure | Ending = FalseStart()
    while isinstance(answer, FalseStart | ServerGone):
        worker = mine.take()
        try:
            mine.give(worker, function, *arguments, limit=limit)
            answer = mine.answer(worker)
        except BaseException:  # an interrupt: nobody waits for the worker any more
            mine.drop(worker)
            raise
    if isinstance(answer, End):
        mine.put_back(worker)
        return answer.value  # type: ignore[no-any-return]
    if isinstance(answer, Failure):
        mine.drop(worker)  # who knows what was left behind in it
        error = answer.error or WorkerError(answer.words)
        error.add_note(f"In the worker:\n{answer.trace}")
        raise error
    raise WorkerError(answer.reason)
