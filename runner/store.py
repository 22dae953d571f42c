"""The store: one SQLite file in which a run's outcome and history become visible together or not at all."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
from xprun.runner.outcome import Outcome, Series

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    run TEXT NOT NULL, metric TEXT NOT NULL, steps BLOB NOT NULL, "values" BLOB NOT NULL, PRIMARY KEY (run, metric)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


class Store:
    """The outcomes of an output folder, by run id."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    def save(self, outcomes: list[Outcome]) -> None:
        """Add outcomes, or replace earlier ones of the same runs, in one transaction."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?)", map(_row, outcomes))
            self._db.executemany("DELETE FROM history WHERE run = ?", [(o.run,) for o in outcomes])
            self._db.executemany(
                "INSERT INTO history VALUES (?, ?, ?, ?)",
                [
                    (o.run, metric, series.steps.astype("<i8").tobytes(), series.values.astype("<f8").tobytes())
                    for o in outcomes
                    for metric, series in o.history.items()
                ],
            )

    def finished(self) -> set[str]:
        """Return the ids of all runs that have a lasting outcome, whatever it is."""
        lasting = "SELECT run FROM runs WHERE coalesce(json_extract(outcome, '$.lasting'), 1)"
        return {run for (run,) in self._db.execute(lasting)}

    def load(self, run: str) -> Outcome | None:
        """Return a run's outcome with its history, or None."""
        found = self._db.execute("SELECT outcome FROM runs WHERE run = ?", (run,)).fetchone()
        if found is None:
            return None
        rows = self._db.execute('SELECT metric, steps, "values" FROM history WHERE run = ? ORDER BY metric', (run,))
        history = {m: Series(np.frombuffer(s, "<i8"), np.frombuffer(v, "<f8")) for m, s, v in rows}
        return Outcome(run, **json.loads(found[0]), history=history)

    def close(self) -> None:
        self._db.close()


def _row(outcome: Outcome) -> tuple[str, str]:
    fields = (
        "status",
        "reason",
        "steps",
        "epochs",
        "seconds",
        "together",
        "parameters",
        "matrices",
        "reference",
        "lasting",
    )
    return outcome.run, json.dumps({name: getattr(outcome, name) for name in fields})
