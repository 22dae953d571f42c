"""Makes a store's file sound before it is used: an older one is converted, and what is whole in a damaged one is kept.

A damaged file is never repaired in place. It is set aside as `store.sqlite.damaged-N`, and the records in it whose
checksums hold go into a new one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count, pairwise, product
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
BESIDE = ("", "-wal")  # a file's committed content is in itself and in its log; `-shm` is only an index of the log
TROUBLE = {  # what says that a file cannot be used here and now, and not that its content is damaged
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
}  # fmt: skip
PAGE = 4096  # bytes, SQLite's default


class _DamagedError(Exception):
    """The file is not what was written."""


def make_sound(path: Path) -> str:
    """See that there is a sound file of this version at `path`; return what was amiss, in one line, or nothing.

    Only the one process that may write calls this. Raises OutputError for a file of a newer version.
    """
    if _beside(path, "-journal").exists():  # where the file system knows no log: a broken change is taken back
        with suppress(sqlite3.Error), closing(connect(path, to_write=True)) as database:
            tables_of(database)
    try:
        version = examine(path)
    except _DamagedError:
        return _rescue(path)
    if version == 0:
        _replace(path, [])
    if version == 1:
        _replace(path, list(_records_of_1(path)))
    return ""


def examine(path: Path) -> int:
    """Return the version of a file that is sound, 0 when there is none yet; every record is read and verified.

    Raises OutputError for a newer version.
    """
    if not any(_beside(path, end).exists() for end in BESIDE):
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
            if (version, tables) not in ((VERSION, TABLES), (1, TABLES_OF_1)) or not _is_whole(database, path):
                raise _DamagedError
            if version == VERSION and not all(record.verifies(digest) for record, digest in read_records(database)):
                raise _DamagedError
            return version
    except sqlite3.Error as error:
        if is_trouble(error) and path.is_file():
            raise
        raise _DamagedError from error


def read_whole(path: Path) -> tuple[dict[str, Record], bool]:
    """Return the records of a file by run id, and whether it is damaged; the file stays as it is.

    Raises OutputError for a newer version.
    """
    if os.access(path.parent, os.W_OK):
        return _read_whole(path)
    with tempfile.TemporaryDirectory(prefix="xprun-") as folder:  # SQLite reads only where it may write an index
        copy = Path(folder) / path.name
        for end in BESIDE:
            if _beside(path, end).exists():
                shutil.copyfile(_beside(path, end), _beside(copy, end))
        return _read_whole(copy)


def _read_whole(path: Path) -> tuple[dict[str, Record], bool]:
    try:
        version = examine(path)
    except _DamagedError:
        return salvage(path), True
    if version == 0:
        return {}, False
    if version == 1:
        return {record.run: record for record in _records_of_1(path)}, False
    with closing(connect(path)) as database:
        return {record.run: record for record, digest in read_records(database) if record.verifies(digest)}, False


def salvage(path: Path) -> dict[str, Record]:
    """Return by run id the records of a damaged file that verify; the file itself is not touched.

    Where its first page, with the header and the names of the tables, cannot be used, that of a new store stands in:
    all stores have the same one. The log is tried as well as left out, because either may be what is damaged.
    """
    found: dict[str, Record] = {}
    for patched, logged in product((False, True), (True, False)):
        with tempfile.TemporaryDirectory(prefix="xprun-") as folder:
            copy = _copy_to_read(path, Path(folder) / "store.sqlite", patched, logged)
            with suppress(sqlite3.Error), closing(connect(copy, to_write=True)) as database:
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _size(copy))  # what claims to be longer is not read
                if tables_of(database) == TABLES:  # reading a view might never come to its end
                    for record in _scan(database, found):
                        found[record.run] = record
    return found


def is_trouble(error: sqlite3.Error) -> bool:
    """Whether an error says that a file cannot be used here and now, rather than that it is damaged."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in TROUBLE


def _is_whole(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the pages fit together, and the header lets the file be read and written."""
    with path.open("rb") as file:
        formats = file.read(20)[18:]
    return formats in (b"\1\1", b"\2\2") and database.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]


def _records_of_1(path: Path) -> Iterator[Record]:
    with closing(connect(path)) as database:
        found = (record for record, _ in read_records(database, RECORDS_OF_1))
        yield from (record for record in found if record.verifies(record.digest))  # which then says its types only


def _rescue(path: Path) -> str:
    records = salvage(path)
    aside = _set_aside(path)
    _replace(path, list(records.values()))
    return (
        f"{path} was damaged: {len(records):,} intact runs are kept, the others run again; "
        f"the damaged file was renamed to {aside.name}"
    )


def _set_aside(path: Path) -> Path:
    """Copy a file and its log to the first free name `*.damaged-N`."""
    aside = next(p for n in count(1) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())
    for end in reversed(BESIDE):
        if _beside(path, end).exists():
            shutil.copyfile(_beside(path, end), _beside(aside, end))
            sync(_beside(aside, end))
    sync(path.parent)
    return aside


def _replace(path: Path, records: list[Record]) -> None:
    """Put a new file with these records in the place of an old one and of its log, which must not be read into it."""
    new = path.with_name(f".{path.name}.new")
    for end in ("", "-journal", "-wal", "-shm"):
        _beside(new, end).unlink(missing_ok=True)
    create(new, records)
    for end in ("-wal", "-shm"):
        _beside(path, end).unlink(missing_ok=True)
    new.replace(path)
    sync(path.parent)


def _copy_to_read(path: Path, copy: Path, patched: bool, logged: bool) -> Path:
    content = bytearray(path.read_bytes() if path.exists() else b"")
    if patched:
        create(copy)
        first = bytearray(copy.read_bytes()[:PAGE])
        first[18:20] = b"\2\2" if logged else b"\1\1"  # a log is read or not
        first[92:96] = bytes(4)  # the number of pages that the header tells is not valid: the file's size is
        content[:PAGE] = first
    copy.write_bytes(content)
    if logged and _beside(path, "-wal").exists():
        shutil.copyfile(_beside(path, "-wal"), _beside(copy, "-wal"))
    return copy


def _scan(database: sqlite3.Connection, known: dict[str, Record]) -> Iterator[Record]:
    """Yield the records that can be read and verify, except known ones; where reading breaks off, it is taken up."""
    runs: set[str] = set()
    starts = ["", *(f"{number:02x}" for number in range(256)), chr(0x10FFFF)]
    if not _read_between(starts[0], starts[-1], database, runs):
        for low, high in pairwise(starts):
            _read_between(low, high, database, runs)
    for run in sorted(runs - known.keys()):
        with suppress(sqlite3.Error):
            found = read_records(database, where="WHERE runs.run = ?", values=(run,))
            yield from [record for record, digest in found if record.verifies(digest)]


def _read_between(low: str, high: str, database: sqlite3.Connection, runs: set[str]) -> bool:
    """Add the ids of runs from both ends of a range of them; return whether it could be read from end to end."""
    whole = True
    for order in ("ASC", "DESC"):
        query = f"SELECT run FROM runs WHERE run >= ? AND run < ? ORDER BY run {order}"
        try:
            runs.update(run for (run,) in database.execute(query, (low, high)))
        except sqlite3.Error:
            whole = False
    return whole


def _size(path: Path) -> int:
    return sum(_beside(path, end).stat().st_size for end in BESIDE if _beside(path, end).exists())


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)
