"""What a worker does that logs notes in a thread, while it sends something itself."""

from collections.abc import Iterator
from threading import Thread

from xprun.runner.process.log import note

MANY, LONG = 30, 1 << 20  # more than a channel takes at once


def note_in_a_thread() -> Iterator[str]:
    """Yield long texts while a thread logs long notes."""
    thread = Thread(target=lambda: [note("n" * LONG) for _ in range(MANY)])
    thread.start()
    for _ in range(MANY):
        yield "i" * LONG
    thread.join()
