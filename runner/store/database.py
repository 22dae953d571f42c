"""The SQLite file of a store: its tables, how it is opened, and how records are read from it and written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from xprun.runner.store.records import Record

VERSION = 2
TABLES = [
    "CREATE TABLE runs (run TEXT PRIMARY KEY, outcome TEXT NOT NULL, origin TEXT NOT NULL, digest TEXT NOT NULL) "
    "WITHOUT ROWID",
    'CREATE TABLE history (run TEXT NOT NULL, metric TEXT NOT NULL, steps BLOB NOT NULL, "values" BLOB NOT NULL, '
    "PRIMARY KEY (run, metric)) WITHOUT ROWID",
]
RECORDS = (
    'SELECT runs.run, outcome, origin, digest, metric, steps, "values" FROM runs LEFT JOIN history USING (run) '
    "{where} ORDER BY runs.run, metric"
)


def connect(path: Path, *, to_write: bool = False) -> sqlite3.Connection:
    """Return a connection to a file; one that only reads changes nothing in it, however it is closed.

    Text that is not valid UTF-8, which is never written, is read with marks in its place.
    """
    mode = "rwc" if to_write else "ro"
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30)
    database.text_factory = partial(str, encoding="utf-8", errors="replace")
    database.execute("PRAGMA synchronous = FULL")
    return database


def create(path: Path, records: Iterable[Record] = ()) -> None:
    """Write a new file with the tables of a store and some records; from the next connection on it has a log."""
    with closing(connect(path, to_write=True)) as database:
        with database:
            database.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                database.execute(table)
            database.execute(f"PRAGMA user_version = {VERSION}")
            write_records(database, records)
        database.execute("PRAGMA journal_mode = WAL")


def tables_of(database: sqlite3.Connection) -> list[str]:
    """Return the statements that made the tables, in the order in which they were made."""
    return [sql for (sql,) in database.execute("SELECT sql FROM sqlite_master ORDER BY rootpage")]


def version_of(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def write_records(database: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Add records, or replace earlier ones of the same runs; the transaction is the caller's."""
    several = sorted(records, key=attrgetter("run"))  # each goes beside the last one in the file: three times as fast
    database.executemany(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)",
        ((record.run, record.outcome, record.origin, record.digest) for record in several),
    )
    database.executemany("DELETE FROM history WHERE run = ?", ((record.run,) for record in several))
    curves = ((record.run, *curve) for record in several for curve in record.curves)
    database.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", curves)


def read_records(
    database: sqlite3.Connection, query: str = RECORDS, where: str = "", values: tuple[Any, ...] = ()
) -> Iterator[tuple[Record, object]]:
    """Yield records with the digests they were written with; whether they verify is for the caller to see."""
    rows = database.execute(query.format(where=where), values)
    for (run, outcome, origin, digest), several in groupby(rows, key=itemgetter(0, 1, 2, 3)):
        curves = tuple(row[4:] for row in several if row[4] is not None)
        yield Record(run, outcome, origin, curves), digest
