"""Files that are either the old or the new version, never half of one."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xprun.errors import Error


class OutputError(Error):
    """The output folder cannot be used: the disk is full or broken, or what is there is not xprun's to change."""

    exit_code = 3
    remedy = "; what was saved is kept. To go on: {again}"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk or the database says into an OutputError about the folder."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OutputError(f"{folder} cannot be used: {why}") from error


def refuse_links(folder: Path) -> None:
    """Raise OutputError for a link that leads out of a folder: what is written into the folder stays in it."""
    inside = os.path.realpath(folder)
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                raise OutputError(
                    f"{path} is a link that points outside the output folder; remove it, or use another folder: -o DIR"
                )


def replace_file(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> Path:
    """Let `write` fill a temporary file beside `path`, sync it, rename it to `path`, and sync the folder.

    What is not to be `durable` is not synced: after a crash of the machine the file may be the old one, or empty.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        write(temporary)
        if durable:
            sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        sync(path.parent)
    return path


def replace_text(path: Path, text: str, *, durable: bool = True) -> Path:
    return replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"), durable=durable)


def replace_bytes(path: Path, content: bytes) -> Path:
    return replace_file(path, lambda temporary: temporary.write_bytes(content))


def replace_folder(path: Path, fill: Callable[[Path], object]) -> Path:
    """Let `fill` write into a temporary folder beside `path`, and put it in the place of `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(exist_ok=True)
    temporary.mkdir()
    try:
        fill(temporary)
        for inner in [*temporary.rglob("*"), temporary]:
            sync(inner)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync(path.parent)
    return path


def sync(path: Path) -> None:
    """Return when a file's content, or a folder's names, are on the disk; Windows cannot sync folders."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote; the caller is the only writer."""
    for path in folder.rglob(".*.tmp"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def folder_name(name: str) -> str:
    """Return a name that is one plain folder on every system, whatever a spec is called."""
    plain = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[:80]
    reserved = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain, re.IGNORECASE)
    return f"_{plain}" if reserved or not plain else plain
