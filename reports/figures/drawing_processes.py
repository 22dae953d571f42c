"""Draws the pictures of a page in two processes: a fork goes through the same sections and draws every other one."""

import gc
import logging
import os
import pickle
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Drawing(Generic[T]):
    """What a function draws, here and at once, or elsewhere; `result` waits for it.

    `name` is that of one picture of a page. What a helper should have drawn and has not is drawn here after all, and
    raises what it raises.
    """

    def __init__(self, name: str, draw: Callable[[], T]) -> None:
        self._name, self._draw = name, draw
        self._drawn = (draw(),) if _desk.takes(name, draw) else None

    @property
    def result(self) -> T:
        self._drawn = self._drawn or _desk.drawn_by_helper(self._name) or (self._draw(),)
        return self._drawn[0]

    def finish(self) -> None:
        """Wait for it, in the process that makes the page."""
        if not _desk.is_helper:
            self.result  # noqa: B018


class _Desk:
    """Where pictures are drawn while nobody helps."""

    is_helper = False

    def takes(self, name: str, draw: Callable[[], Any]) -> bool:
        """Whether a picture is to be drawn at once by who asks."""
        return True

    def drawn_by_helper(self, name: str) -> tuple[Any] | None:
        """What a helper has drawn of this name, or None."""
        return None


class _Helper(_Desk):
    """In the fork: draws every other picture, and keeps it to be sent."""

    is_helper = True

    def __init__(self) -> None:
        self.asked, self.drawn = 0, dict[str, Any]()

    def takes(self, name: str, draw: Callable[[], Any]) -> bool:
        self.asked += 1
        if self.asked % 2 == 0:
            with suppress(Exception):  # the page's own process tries, and tells what is wrong
                self.drawn[name] = draw()
        return False


class _Helped(_Desk):
    """In the process that makes the page: draws the others."""

    def __init__(self, fork: int, file: Any) -> None:
        self.asked, self.fork, self.file = 0, fork, file
        self._sent: dict[str, Any] | None = None

    def takes(self, name: str, draw: Callable[[], Any]) -> bool:
        self.asked += 1
        return self.asked % 2 == 1

    def drawn_by_helper(self, name: str) -> tuple[Any] | None:
        if self._sent is None:
            self._sent = self.wait()
        return (self._sent[name],) if name in self._sent else None

    def wait(self) -> dict[str, Any]:
        """What the helper has drawn, when it has ended."""
        if self.fork:
            os.waitpid(self.fork, 0)
            self.fork = 0
        self.file.seek(0)
        with suppress(EOFError, pickle.UnpicklingError):
            return dict(pickle.load(self.file))
        return {}


_desk = _Desk()


@contextmanager
def helped(make: Callable[[], object]) -> Iterator[None]:
    """Let a fork of this process draw every other picture of what `make` asks for, which is called here meanwhile."""
    global _desk
    if not _can_fork():
        yield
        return
    with tempfile.TemporaryFile() as file:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of OpenBLAS know what a fork is
            fork = os.fork()
        if fork == 0:
            _help(make, file)
        _desk = _Helped(fork, file)
        try:
            yield
        finally:
            _desk.wait()
            _desk = _Desk()


def _help(make: Callable[[], object], file: Any) -> None:
    """Be the fork."""
    global _desk
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops when it has what we draw
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        logging.disable()  # the parent has the same to say
        warnings.simplefilter("ignore")
        gc.disable()  # it would touch every page that is shared
        _desk = helper = _Helper()
        make()
        file.write(pickle.dumps(helper.drawn))
        file.flush()
    except BaseException:  # the parent meets it, too
        os._exit(1)
    os._exit(0)


def _can_fork() -> bool:
    """Whether a fork can be had that has a core of its own, and is safe.

    It is not where there are other threads, whose locks nobody would open, nor where torch has computed: the threads of
    OpenMP are not there in a fork, which waits for them for ever.
    """
    if not sys.platform.startswith("linux") or threading.active_count() > 1 or "torch.autograd" in sys.modules:
        return False
    return len(os.sched_getaffinity(0)) > 1
