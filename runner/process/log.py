"""Notes beside the results, for the logger `xprun`, and lines on stderr."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR as ERROR
from logging import WARNING as WARNING
from typing import TextIO

from xprun.plugins.error_words import words_of as words_of
from xprun.specs.language.diagnostics import printable

LOGGER = logging.getLogger("xprun")
LOGGER.addHandler(logging.NullHandler())  # where nobody wants notes, nobody sees them


def note(text: str) -> None:
    """Log what was done otherwise than planned, and left out or lost, where that is no error."""
    LOGGER.warning("%s", text)


def say(text: str) -> None:
    """Print a text on stderr; what is in a name or in the words of an error cannot drive the terminal."""
    print(printable(text, keep_tabs=True, keep_lines=True), file=sys.stderr, flush=True)


@contextmanager
def notes_on_stderr(level: int = WARNING) -> Iterator[None]:
    """Print what is logged, from a level on, on stderr meanwhile, as `note: TEXT`, each text once."""
    handler = _OnStderr(level)
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)


def are_notes_routed() -> bool:
    """Return whether the program has told logging what to do with notes."""
    own = [handler for handler in LOGGER.handlers if not isinstance(handler, logging.NullHandler)]
    return bool(own or (LOGGER.propagate and logging.getLogger().handlers))


class _OnStderr(logging.Handler):
    """Prints on what is stderr at the moment, which a live display replaces."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._printed: set[str] = set()  # each worker, or each cohort, may have the same to say

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if text not in self._printed:
            self._printed.add(text)
            say(text)


def warn_by_notes() -> None:
    """Let warnings of Python, in this process, be notes that say whose they are."""
    warnings.showwarning = _note_of_warning  # as logging.captureWarnings does


def _note_of_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    where = re.sub(r"^.*[/\\](site|dist)-packages[/\\]", "", filename)
    note(f"{category.__name__} from {where}:{lineno}: {' '.join(str(message).split())}")
