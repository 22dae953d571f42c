"""Interrupts: the first one ends the work in good order, and never in the middle of a save; the second at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
Handler = Callable[[int, FrameType | None], Any] | int | None


class InterruptError(BaseException):  # no Exception: what catches a component's errors must not catch it
    """The process was asked to end, by the signal of that number."""

    def __init__(self, number: int) -> None:
        self.number = number


class Interrupts:
    """Takes the first signal, whose `number` it has then, and raises InterruptError where that is wanted."""

    def __init__(self, usual: Mapping[int, Handler]) -> None:
        self.number: int | None = None
        self._usual = usual
        self._raising = False
        self._arrivals: int | None = None  # a descriptor that tells signals in the order in which they came

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; a second one has its usual effect, at once, and so has one that came before we could."""
        restore(self._usual)
        came = self._come() or [number]
        self.number = number = came[0]
        if came[1:]:  # Python drops it, because its handler is another by now
            os.kill(os.getpid(), came[1])
        if number == getattr(signal, "SIGHUP", None):
            _be_silent()
        if self._raising:
            raise InterruptError(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals that come meanwhile."""
        reader, writer = os.pipe()
        for descriptor in (reader, writer):
            os.set_blocking(descriptor, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._arrivals = reader
        restore(dict.fromkeys(self._usual, self.handle))
        try:
            yield
        finally:
            restore(self._usual)
            signal.set_wakeup_fd(before)
            self._arrivals = None
            os.close(reader)
            os.close(writer)

    def _come(self) -> list[int]:
        """Return the signals that have come, the first one first."""
        with suppress(OSError):
            if self._arrivals is not None:
                return [number for number in os.read(self._arrivals, 64) if number in self._usual]
        return []

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Let an interrupt end what is inside; elsewhere it waits until somebody asks for its number."""
        before, self._raising = self._raising, True
        try:
            if self.number is not None:
                raise InterruptError(self.number)
            yield
        finally:
            self._raising = before

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside come to its end before an interrupt is raised."""
        before, self._raising = self._raising, False
        try:
            yield
        finally:
            self._raising = before
        if before and self.number is not None:
            raise InterruptError(self.number)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Take the first SIGINT, SIGTERM or SIGHUP inside, unless it is ignored (`nohup`), or this is no main thread."""
    usual = {number: signal.getsignal(number) for number in NUMBERS}
    usual = {number: handler for number, handler in usual.items() if handler not in (signal.SIG_IGN, None)}
    interrupts = Interrupts(usual)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    with interrupts.listening():
        yield interrupts


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let a Ctrl-C inside end the process at once, as the other signals do, instead of being an exception."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def restore(handlers: Mapping[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _be_silent() -> None:
    """Let nothing that is printed to a terminal that has gone be an error."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
