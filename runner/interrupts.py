"""Interrupts: the first SIGINT or SIGTERM ends the work in good order, and never in the middle of a save."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class InterruptError(BaseException):  # no Exception: what catches a component's errors must not catch it
    """The process was asked to end, by the signal of that number."""

    def __init__(self, number: int) -> None:
        self.number = number


class Interrupts:
    """Raises InterruptError when a signal comes or, while they are held, afterwards."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; a second one has its usual effect, at once."""
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if not self._held:
            raise InterruptError(number)
        self._waiting = number

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside come to its end before an interrupt is raised."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting is not None:
            raise InterruptError(self._waiting)


@contextmanager
def signals_as_exceptions() -> Iterator[Interrupts]:
    """Let the first SIGINT or SIGTERM be an InterruptError inside."""
    interrupts = Interrupts()
    before = {number: signal.signal(number, interrupts.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
