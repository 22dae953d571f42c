"""What comes from a machine elsewhere: outcomes, how far other runs are, and what was noted and printed there."""

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
from xprun.runner.process.training_progress import TrainingProgress, heard_by, tell
from xprun.runner.results.outcome import Outcome


@dataclass
class Parcel:
    """Outcomes of runs that have ended together, notes, what components have printed, and how far other runs are."""

    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    out: str = ""
    err: str = ""
    progress: list[TrainingProgress] = field(default_factory=list)

    def open(self) -> list[Outcome]:
        """Print, note and tell here what was printed, noted and told there, and return the outcomes."""
        for stream, text in ((sys.stdout, self.out), (sys.stderr, self.err)):
            if text and stream is not None:
                stream.write(text)
                stream.flush()
        for text in self.notes:
            note(text)
        for progress in self.progress:
            tell(progress)
        return self.outcomes


def lead_in_parcels(context: Context, cohort: Cohort) -> Iterator[Parcel]:
    """Yield what comes of leading a cohort here, for the process that waits for it elsewhere; raise what `lead` does.

    A parcel may have no outcomes: how far runs are, or what is noted at the end.
    """
    with _Overheard() as heard, heard_by(heard.progress.append):
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
        self.progress: list[TrainingProgress] = []

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
        said = Parcel(outcomes, list(self._notes), self._out.getvalue(), self._err.getvalue(), list(self.progress))
        self._notes.clear()
        self.progress.clear()
        for kept in (self._out, self._err):
            kept.seek(0)
            kept.truncate()
        return said


@contextmanager
def _redirected(out: StringIO, err: StringIO) -> Iterator[None]:
    with redirect_stdout(out), redirect_stderr(err):
        yield
