"""Tells what code of others raises in this process from what a signal of the user raises while it runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Note the signals that come meanwhile, in the list that is given; each has its usual effect.

    A KeyboardInterrupt while there are none is no word of the user: the code inside has raised it.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals raise nothing here
        yield came
        return
    noting = {number: _noting(usual, came) for number, usual in _usual_handlers()}
    before = {number: signal.signal(number, handler) for number, handler in noting.items()}
    try:
        yield came
    finally:
        for number, handler in noting.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, before[number])


def _usual_handlers() -> Iterator[tuple[int, Any]]:
    for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
        if callable(handler := signal.getsignal(number)):
            yield number, handler


def _noting(usual: Any, came: list[int]) -> Any:
    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        usual(number, frame)

    return note
