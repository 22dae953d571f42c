"""One process at a time writes an output folder: a kernel lock, which is free the moment its owner dies."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from xprun.errors import Error
from xprun.runner.results.atomic_files import refuse_links, replace_text, writing

HOLDER = ".holder.json"
TRIES = 200  # to know the holder: on a busy machine, a long moment


class InUseError(Error):
    """Another process writes the folder."""

    exit_code = 4


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other processes from writing a folder, which is made if need be.

    Raises InUseError, which names the holder, when another process writes it, and OutputError when it cannot be made
    or has links that lead out of it.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        refuse_links(folder)
        lock = FileLock(folder / ".lock", timeout=0)
        if owner := _take(lock, folder):
            raise InUseError(f"{folder} is in use by {owner}; wait for it, or choose another folder: -o DIR")
        (folder / HOLDER).unlink(missing_ok=True)  # of one that was killed
        replace_text(folder / HOLDER, json.dumps(_myself()) + "\n")
    try:
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def mark_of(folder: Path) -> str:
    """Return what the holder of a folder has written there, the same for all who share it; nothing where none has."""
    with suppress(OSError, UnicodeDecodeError):
        return (folder / HOLDER).read_text(encoding="utf-8")
    return ""


def _myself() -> dict[str, object]:
    started = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    command = " ".join(["xprun", *sys.argv[1:]])
    return {"pid": os.getpid(), "started": started, "command": command, "mark": secrets.token_hex(8)}


def _take(lock: FileLock, folder: Path) -> str:
    """Take the lock and return nothing, or return who has it, as it was written down when the lock was asked for.

    Who has taken it has its name there a moment later, and takes the name away a moment before it gives the lock back;
    in both moments, and where it was killed in one of them, the lock is asked for again.
    """
    for _ in range(TRIES):
        try:
            lock.acquire()
            return ""
        except Timeout:
            if owner := _holder(folder):
                return owner
            time.sleep(0.05)
    return "another process"


def _holder(folder: Path) -> str:
    """Return who holds the lock, which it writes down when it has taken it; nothing where nobody has."""
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']}, since {holder['started']} ({holder['command']})"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # any file may stand there
        return ""
