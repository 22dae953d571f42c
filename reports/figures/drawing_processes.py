"""Draws pictures in forks of this process, as far as cores are free: what a fork is about to draw, it has already."""

import gc
import os
import pickle
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Drawing(Generic[T]):
    """What a function returns, which is called at once, here or in a fork; `result` waits for it.

    Where the fork ends without a result, the function is called here after all, and raises here what it raises.
    """

    def __init__(self, draw: Callable[[], T]) -> None:
        self._draw = draw
        self._fork = _Fork(draw) if _has_free_core() else None
        self._result = () if self._fork else (draw(),)

    @property
    def result(self) -> T:
        if not self._result:
            assert self._fork is not None
            self._result = self._fork.wait() or (self._draw(),)
        return self._result[0]


_running: "list[_Fork[Any]]" = []


class _Fork(Generic[T]):
    """A child that writes the pickled value of a function into a file without a name, and ends."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `wait` closes it
        self._has_ended = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of OpenBLAS know what a fork is
            self._pid = os.fork()
        if self._pid == 0:
            self._write(function)
        _running.append(self)

    def _write(self, function: Callable[[], T]) -> None:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops when it has what we draw
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            gc.disable()  # it would touch every page that is shared
            self._file.write(pickle.dumps(function()))
            self._file.flush()
        except BaseException:  # the parent tries, and tells what is wrong
            os._exit(1)
        os._exit(0)

    def has_ended(self) -> bool:
        """Whether it is there no more; then somebody else may have the core."""
        self._has_ended = self._has_ended or os.waitpid(self._pid, os.WNOHANG)[0] != 0
        return self._has_ended

    def wait(self) -> tuple[T] | None:
        """What the function has returned, or None."""
        if not self._has_ended:
            os.waitpid(self._pid, 0)
            self._has_ended = True
        with self._file:
            self._file.seek(0)
            try:
                return (pickle.load(self._file),)
            except (EOFError, pickle.UnpicklingError):
                return None


def _has_free_core() -> bool:
    """Whether a fork can be had that has a core of its own, and is safe.

    It is not where there are other threads, whose locks nobody would open, nor where torch has computed: the threads of
    OpenMP are not there in a fork, which waits for them for ever.
    """
    if not sys.platform.startswith("linux") or threading.active_count() > 1 or "torch" in sys.modules:
        return False
    _running[:] = [fork for fork in _running if not fork.has_ended()]
    return len(_running) < len(os.sched_getaffinity(0)) - 1
