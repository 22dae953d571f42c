"""The store: one SQLite file in which a run's outcome and history become visible together or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from xprun.runner.results.atomic_files import OutputError, writing
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.database import connect, read_records, write_records
from xprun.runner.store.records import Record, to_record, verified_outcomes
from xprun.runner.store.recovery import migrate_or_recover


class MovedError(OutputError):
    """The output folder is not where it was when its writing began: what was saved went with it."""

    remedy = ""


class Store:
    """The outcomes of an output folder, by run id; one process at a time has it.

    What comes out of it is what was put in: every record has a checksum that is verified when it is read, and one that
    does not hold is no record. `recovery_note` says in one line what was found damaged, or nothing. Every method raises
    OutputError when the disk does not do its part; what was saved before is kept then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, path = folder, folder / "store.sqlite"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.recovery_note = migrate_or_recover(path)
            self._database = connect(path, to_write=True)
            self._path, self._identity = path, _identity(path)

    def check_place(self) -> None:
        """Raise MovedError where the file is not the one any more that was opened.

        Who holds a file that is moved or removed goes on writing it, and nobody would find what was saved.
        """
        if _identity(self._path) != self._identity:
            raise MovedError(
                f"{self._folder} was moved, removed or replaced while it was written: "
                "what was saved since its writing began is no longer in it"
            )

    def save(self, outcomes: list[Outcome], origins: Mapping[str, str] | None = None) -> None:
        """Add outcomes, or replace earlier ones of the same runs, in one transaction, durably.

        `origins` tells of each run what its id was made of (`runner/planning/run_identity.py`).
        """
        self.add([to_record(outcome, (origins or {}).get(outcome.run, "{}")) for outcome in outcomes])

    def add(self, records: list[Record]) -> None:
        """Add records of another store, which were verified as they were read, in one transaction, durably."""
        self.check_place()
        with writing(self._folder), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            write_records(self._database, records)

    def outcomes(self, runs: Iterable[str]) -> dict[str, Outcome]:
        """Return the outcomes, with their histories, of those of the runs that have one."""
        wanted = set(runs)
        with writing(self._folder):
            found = (pair for pair in read_records(self._database) if pair[0].run in wanted)
            return {outcome.run: outcome for outcome in verified_outcomes(found)}

    def stamp(self, runs: Iterable[str]) -> str:
        """Return a hash of everything that is stored about runs, in their order."""
        with writing(self._folder):
            digests = dict(self._database.execute("SELECT run, digest FROM runs"))
        return hashlib.sha256("".join(digests.get(run, "-") for run in runs).encode()).hexdigest()

    def load(self, run: str) -> Outcome | None:
        """Return a run's outcome with its history, or None."""
        with writing(self._folder):
            found = list(read_records(self._database, where="WHERE runs.run = ?", values=(run,)))
        return next(verified_outcomes(found), None)

    def close(self) -> None:
        self._database.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others on this machine; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
