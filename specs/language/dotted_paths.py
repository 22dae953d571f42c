"""Paths to what stands in a spec, and their dotted form: `optimizer.lr`, `model.layers[2].out_features`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

MAX_PARTS = 64
_BARE = re.compile(r"[^\s.\[\]\"'=]+")
_PART = re.compile(r"""([^\s.\[\]"'=]+)|"([^"\\]*)"|'([^']*)'""")
_INDEX = re.compile(r"\[(\d{1,6})\]")


def dotted(path: Path) -> str:
    """Return the path as a user writes it; a key that holds a dot is put in quotes."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_quoted(part)}" for part in path).lstrip(".")


def parse_dotted(text: str) -> Path | None:
    """Return the path that a dotted text stands for, or None for a text that is none."""
    path: list[str | int] = []
    at, text = 0, text.strip()
    while at < len(text) and len(path) <= MAX_PARTS:
        index = _INDEX.match(text, at) if path else None
        if index:
            path.append(int(index[1]))
            at = index.end()
            continue
        if path:
            if text[at] != ".":
                return None
            at += 1
        part = _PART.match(text, at)
        if part is None:
            return None
        path.append(next(group for group in part.groups() if group is not None))
        at = part.end()
    return tuple(path) if path and at == len(text) and text[-1] != "." else None


def at(value: Any, path: Path) -> Any:
    """Return what stands at a path of nested tables and lists; raise LookupError when there is nothing."""
    for part in path:
        container: Any = value if isinstance(value, list | tuple if isinstance(part, int) else dict) else {}
        value = container[part]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of nested tables and lists in which the value at `path` is `new`."""
    if not path:
        return new
    copy: Any = list(value) if isinstance(value, tuple) else value.copy()
    copy[path[0]] = replaced(copy[path[0]], path[1:], new) if path[1:] else new
    return copy


def removed(value: Any, path: Path, depth: int = 0) -> Any:
    """Return a copy of nested tables and lists without what stands at `path`, in each of a list of tables.

    A table inside a section goes with the last thing in it: `run.stop` with `run.stop.patience`. Raises LookupError
    when there is nothing.
    """
    head, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(head, str):
        found = [_without_if_there(item, path) for item in value]
        if found == value:
            raise LookupError(head)
        return found
    at(value, (head,))
    copy = value.copy()
    if rest:
        copy[head] = removed(copy[head], rest, depth + 1)
    if not rest or (depth and copy[head] == {}):
        del copy[head]
    return copy


def _without_if_there(value: Any, path: Path) -> Any:
    try:
        return removed(value, path)
    except LookupError:
        return value


def settings_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every key of a table, of the tables in it, and of those in its lists."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(key, str):
            yield (*path, key)
        if isinstance(inner, dict) or (isinstance(inner, list) and inner and isinstance(inner[0], dict)):
            yield from settings_in(inner, (*path, key))


def _quoted(part: str) -> str:
    return part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
