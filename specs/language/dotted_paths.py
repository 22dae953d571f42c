"""Paths to what stands in a spec, and their dotted form: `optimizer.lr`, `model.layers[2].out_features`."""

from __future__ import annotations

import json
import re
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
        container: Any = value if isinstance(value, list if isinstance(part, int) else dict) else {}
        value = container[part]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of nested tables and lists in which the value at `path` is `new`."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(copy[path[0]], path[1:], new) if path[1:] else new
    return copy


def _quoted(part: str) -> str:
    return part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
