"""The files that are made from a store: they are made again only when what they show has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xprun.runner.store.files import replace_text

MARKS = ".exports.json"  # of each export: what it was made of, and its files with their sizes and times


def export(folder: Path, name: str, made_of: str, write: Callable[[], list[Path]]) -> list[Path]:
    """Return the files of an export, written unless they stand as they were written from the same content.

    `made_of` is a hash of everything that they show.
    """
    marks = _marks(folder)
    mark = marks.get(name, {})
    if mark.get("of") == made_of and all(_stamp(folder / file) == stamp for file, stamp in mark["files"].items()):
        return [folder / file for file in mark["files"]]
    written = write()
    files = {path.relative_to(folder).as_posix(): _stamp(path) for path in written}
    replace_text(folder / MARKS, json.dumps(marks | {name: {"of": made_of, "files": files}}) + "\n")
    return written


def hash_of_sources(package: Path) -> str:
    """Return a hash of the files that a package consists of: what it makes may look otherwise when they change."""
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _marks(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MARKS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _stamp(path: Path) -> list[int]:
    """Return a file's size and time of change, or nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
