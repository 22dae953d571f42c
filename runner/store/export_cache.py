"""The files that are made from a store: they are made again only when what they show has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict
from xprun.runner.results.atomic_files import replace_text

MARKS = ".exports.json"


class Mark(TypedDict):
    """What an export was made of, and its files with their sizes and times; or its text, where it is one."""

    of: str
    files: dict[str, list[int]]
    text: NotRequired[str]


MARKS_BY_NAME = TypeAdapter(dict[str, Mark])


def export(folder: Path, name: str, made_of: str, write: Callable[[], list[Path]]) -> list[Path]:
    """Return the files of an export, written unless they stand as they were written from the same content.

    `made_of` is a hash of everything that they show.
    """
    marks = _marks(folder)
    mark = marks.get(name, Mark(of="", files={}))
    if mark["of"] == made_of and all(_stamp(folder / file) == stamp for file, stamp in mark["files"].items()):
        return [folder / file for file in mark["files"]]
    written = write()
    files = {path.relative_to(folder).as_posix(): _stamp(path) for path in written}
    _keep(folder, marks | {name: Mark(of=made_of, files=files)})
    return written


def recall(folder: Path, name: str, made_of: str, make: Callable[[], str]) -> str:
    """Return a text about a folder, made only when what it tells has changed; `made_of` is a hash of all that."""
    marks = _marks(folder)
    mark = marks.get(name, Mark(of="", files={}))
    if mark["of"] == made_of and "text" in mark:
        return mark["text"]
    text = make()
    _keep(folder, marks | {name: Mark(of=made_of, files={}, text=text)})
    return text


@cache
def hash_of_sources(package: Path) -> str:
    """Return a hash of the files that a package consists of: what it makes may look otherwise when they change."""
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _keep(folder: Path, marks: dict[str, Mark]) -> None:
    """Write the marks; where a crash of the machine takes them, the files are made again."""
    replace_text(folder / MARKS, json.dumps(marks) + "\n", durable=False)


def _marks(folder: Path) -> dict[str, Mark]:
    """Return the marks of exports; none where the file is missing or is not as it was written."""
    try:
        return MARKS_BY_NAME.validate_json((folder / MARKS).read_bytes())
    except (OSError, ValueError):
        return {}


def _stamp(path: Path) -> list[int]:
    """Return a file's size and time of change, or nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
