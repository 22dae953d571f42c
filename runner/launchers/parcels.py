"""What comes from a machine elsewhere: outcomes, and what was noted and printed there since the last of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

from xprun.runner.execution.leading import lead
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import LOGGER, note
from xprun.runner.results.outcome import Outcome


@dataclass
class Parcel:
    """Outcomes of runs that have ended together, notes, and what components have printed."""

    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    out: str = ""
    err: str = ""

    def open(self) -> list[Outcome]:
        """Print and note here what was printed and noted there, and return the outcomes."""
        for stream, text in ((sys.stdout, self.out), (sys.stderr, self.err)):
            if text and stream is not None:
                stream.write(text)
                stream.flush()
        for text in self.notes:
            note(text)
        return self.outcomes


def lead_in_parcels(context: Context, cohort: Cohort) -> Iterator[Parcel]:
    """Yield what comes of leading a cohort here, for the process that waits for it elsewhere; raise what `lead` does.

    The last parcel may have no outcomes: what is noted at the end.
    """
    with _Overheard() as heard:
        for outcomes in lead(context, cohort):
            yield heard.parcel(outcomes)
    if (last := heard.parcel([])) != Parcel():
        yield last


class _Overheard(logging.Handler):
    """Keeps what is noted and printed in this process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._notes: list[str] = []
        self._out, self._err = StringIO(), StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self._notes.append(record.getMessage())

    def __enter__(self) -> _Overheard:
        self._redirected = _redirected(self._out, self._err)
        self._redirected.__enter__()
        LOGGER.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        LOGGER.removeHandler(self)
        self._redirected.__exit__(None, None, None)

    def parcel(self, outcomes: list[Outcome]) -> Parcel:
        """Return outcomes with what was kept, which is forgotten."""
        said = Parcel(outcomes, list(self._notes), self._out.getvalue(), self._err.getvalue())
        self._notes.clear()
        for kept in (self._out, self._err):
            kept.seek(0)
            kept.truncate()
        return said


@contextmanager
def _redirected(out: StringIO, err: StringIO) -> Iterator[None]:
    with redirect_stdout(out), redirect_stderr(err):
        yield
