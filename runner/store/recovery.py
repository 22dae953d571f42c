"""Migrates a store's file of an older version, and recovers what verifies from a damaged one.

A damaged file is never repaired in place. It is copied to `store.sqlite.damaged-N`, and the records in it whose
checksums hold go into a new file.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count, pairwise
from pathlib import Path

from xprun.runner.results.atomic_files import OutputError, sync
from xprun.runner.store.database import RECORDS, TABLES, VERSION, connect, create, read_records, tables_of, version_of
from xprun.runner.store.records import Record

TABLES_OF_1 = [
    "CREATE TABLE runs (run TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID",
    'CREATE TABLE history (\n    run TEXT NOT NULL, metric TEXT NOT NULL, steps BLOB NOT NULL, "values" BLOB NOT NULL, '
    "PRIMARY KEY (run, metric)\n) WITHOUT ROWID",
]
RECORDS_OF_1 = RECORDS.replace("origin, digest", "'{{}}', NULL")
SUFFIXES = ("", "-wal")  # committed content is in the file and in its log; `-shm` is only an index of the log
UNAVAILABLE = {  # errors that say that a file cannot be used here and now, and not that its content is damaged
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
}  # fmt: skip
PAGE = 4096  # bytes, SQLite's default
KEY_RANGES = list(pairwise(["", *(f"{number:02x}" for number in range(256)), chr(0x10FFFF)]))  # run ids are hex


class _DamagedError(Exception):
    """The file is not what was written."""


def migrate_or_recover(path: Path) -> str:
    """Ensure a sound file of this version at `path`; return what was recovered, in one line, or nothing.

    Only the one process that may write calls this. Raises OutputError for a file of a newer version.
    """
    if _sibling(path, "-journal").exists():  # where the file system knows no log: a broken change is rolled back
        with suppress(sqlite3.Error), closing(connect(path, to_write=True)) as database:
            tables_of(database)
    try:
        version = _verify(path)
    except _DamagedError:
        return _recover(path)
    if version == 0:
        _replace(path, [])
    if version == 1:
        _replace(path, list(_records_of_1(path)))
    return ""


def read_store(path: Path) -> tuple[dict[str, Record], bool]:
    """Return the records of a file by run id, and whether it is damaged; the file stays as it is.

    Raises OutputError for a newer version.
    """
    if os.access(path.parent, os.W_OK):
        return _read_store(path)
    with tempfile.TemporaryDirectory(prefix="xprun-") as folder:  # SQLite reads only where it may write an index
        copy = Path(folder) / path.name
        for suffix in SUFFIXES:
            if _sibling(path, suffix).exists():
                shutil.copyfile(_sibling(path, suffix), _sibling(copy, suffix))
        return _read_store(copy)


def _read_store(path: Path) -> tuple[dict[str, Record], bool]:
    try:
        version = _verify(path)
    except _DamagedError:
        return _salvage(path), True
    if version == 0:
        return {}, False
    if version == 1:
        return {record.run: record for record in _records_of_1(path)}, False
    with closing(connect(path)) as database:
        return {record.run: record for record, digest in read_records(database) if record.verifies(digest)}, False


def _verify(path: Path) -> int:
    """Return the version of a sound file, 0 when there is none yet; every record is read and its checksum verified.

    Raises _DamagedError, and OutputError for a newer version.
    """
    if not any(_sibling(path, suffix).exists() for suffix in SUFFIXES):
        return 0
    try:
        with closing(connect(path)) as database:
            version, tables = version_of(database), tables_of(database)
            if version > VERSION and tables != TABLES:
                raise OutputError(
                    f"{path} was written by a newer xprun (version {version}; this one reads up to {VERSION}). "
                    "Update xprun, or choose another folder: -o DIR"
                )
            if not tables and version == 0:
                return 0
            if (version, tables) not in ((VERSION, TABLES), (1, TABLES_OF_1)) or not _is_intact(database, path):
                raise _DamagedError
            if version == VERSION and not all(record.verifies(digest) for record, digest in read_records(database)):
                raise _DamagedError
            return version
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in UNAVAILABLE and path.is_file():
            raise
        raise _DamagedError from error


def _is_intact(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the pages fit together, and the header lets the file be read and written."""
    with path.open("rb") as file:
        formats = file.read(20)[18:]
    return formats in (b"\1\1", b"\2\2") and database.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]


def _records_of_1(path: Path) -> Iterator[Record]:
    with closing(connect(path)) as database:
        found = (record for record, _ in read_records(database, RECORDS_OF_1))
        yield from (record for record in found if record.verifies(record.digest))  # which then says its types only


def _recover(path: Path) -> str:
    """Replace a damaged file by a new one with the records that verify, and say so in one line."""
    records = _salvage(path)
    damaged = _keep_damaged(path)
    _replace(path, list(records.values()))
    return (
        f"{path} was damaged: {len(records):,} intact runs are kept, the others run again; "
        f"the damaged file was renamed to {damaged.name}"
    )


def _keep_damaged(path: Path) -> Path:
    """Copy a file and its log to the first free name `*.damaged-N`."""
    damaged = next(p for n in count(1) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())
    for suffix in reversed(SUFFIXES):
        if _sibling(path, suffix).exists():
            shutil.copyfile(_sibling(path, suffix), _sibling(damaged, suffix))
            sync(_sibling(damaged, suffix))
    sync(path.parent)
    return damaged


def _replace(path: Path, records: list[Record]) -> None:
    """Put a new file with these records in the place of an old one and of its log, which must not be read into it."""
    new = path.with_name(f".{path.name}.new")
    for suffix in ("", "-journal", "-wal", "-shm"):
        _sibling(new, suffix).unlink(missing_ok=True)
    create(new, records)
    for suffix in ("-wal", "-shm"):
        _sibling(path, suffix).unlink(missing_ok=True)
    new.replace(path)
    sync(path.parent)


def _salvage(path: Path) -> dict[str, Record]:
    """Return by run id the records of a damaged file that verify; the file itself is not touched.

    It is read with its log and without, because either may be what is damaged.
    """
    found: dict[str, Record] = {}
    for with_log in (True, False):
        with tempfile.TemporaryDirectory(prefix="xprun-") as folder:
            copy = _copy_readable(path, Path(folder), with_log)
            with suppress(sqlite3.Error), closing(connect(copy, to_write=True)) as database:
                size = sum(file.stat().st_size for file in Path(folder).iterdir())
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)  # what claims to be longer is not read
                if tables_of(database) == TABLES:  # of the log; reading a view might never come to its end
                    found |= {record.run: record for record in _verified(database, _runs(database) - found.keys())}
    return found


def _copy_readable(path: Path, folder: Path, with_log: bool) -> Path:
    """Copy a file behind the first page of a new one, which holds the header and the names of the tables.

    That page is the same in all stores, but for the number of pages. It is marked as out of date, so that SQLite asks
    the size of the file instead (https://sqlite.org/fileformat.html, section 1.3.7).
    """
    copy = folder / path.name
    create(copy)
    first = copy.read_bytes()[:PAGE]
    rest = path.read_bytes()[PAGE:] if path.exists() else b""
    copy.write_bytes(first[:92] + bytes(4) + first[96:] + rest)
    if with_log and _sibling(path, "-wal").exists():
        shutil.copyfile(_sibling(path, "-wal"), _sibling(copy, "-wal"))
    return copy


def _runs(database: sqlite3.Connection) -> set[str]:
    """Return the ids of runs that can be read: each range of them from both ends, as far as its pages hold."""
    runs: set[str] = set()
    for low, high in KEY_RANGES:
        for order in ("ASC", "DESC"):
            query = f"SELECT run FROM runs WHERE run >= ? AND run < ? ORDER BY run {order}"
            with suppress(sqlite3.Error):
                runs.update(run for (run,) in database.execute(query, (low, high)))
    return runs


def _verified(database: sqlite3.Connection, runs: set[str]) -> Iterator[Record]:
    """Yield the records of runs, one by one, that can be read and whose checksums hold."""
    for run in sorted(runs):
        with suppress(sqlite3.Error):
            found = read_records(database, where="WHERE runs.run = ?", values=(run,))
            yield from [record for record, digest in found if record.verifies(digest)]


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
