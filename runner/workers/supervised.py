"""Calls a function in a worker process: whatever becomes of that process, this one goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from xprun.errors import Error
from xprun.runner.workers.crew import SUPERVISES, crew
from xprun.runner.workers.deaths import Death, FalseStart, ServerGone
from xprun.runner.workers.worker import End, Failure

T = TypeVar("T")


class WorkerError(Error):
    """What was to be done in a worker was not: the worker died, or raised what is unknown here."""

    exit_code = 3
    context = "{spec}: "


def supervised(function: Callable[..., T], *arguments: Any, limit: float | None = None) -> T:
    """Return what a function returns, called in a worker: for whatever runs code of components.

    The function is one of a module, and its arguments and value can be pickled. Raises what the function raises where
    Python or xprun defines that, and WorkerError for anything else, the death of the worker included. A worker that
    takes more than `limit` seconds is ended. Where somebody has killed the worker, the function is called once more;
    where workers cannot be had, on Windows, in this process.
    """
    if not SUPERVISES:
        return function(*arguments)
    answer = _answer(limit, function, *arguments)
    if isinstance(answer, Death) and answer.is_kill:
        answer = _answer(limit, function, *arguments)
    if isinstance(answer, End):
        return answer.value  # type: ignore[no-any-return]
    if isinstance(answer, Failure):
        error = answer.error or WorkerError(answer.words)
        error.add_note(f"In the worker:\n{answer.trace}")
        raise error
    raise WorkerError(answer.reason)


def _answer(limit: float | None, function: Callable[..., Any], *arguments: Any) -> End | Failure | Death:
    """Return what a worker answers that has taken up a function, or how it died."""
    mine = crew()
    while True:
        worker = mine.take()
        try:
            mine.give(worker, function, *arguments, limit=limit)
            answer = mine.answer(worker)
        except BaseException:  # an interrupt: nobody waits for the worker any more
            mine.drop(worker)
            raise
        if isinstance(answer, End):
            mine.put_back(worker)
        if isinstance(answer, Failure):
            mine.drop(worker)  # who knows what was left behind in it
        if not isinstance(answer, FalseStart | ServerGone):
            return answer
