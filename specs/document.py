"""A TOML file with the place of everything in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import tomli
from xprun.specs.errors import Path as KeyPath
from xprun.specs.errors import Problem, SpecError

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a line: `line` and `column` count from 1, columns are characters."""

    file: str
    line: int = 0
    column: int = 0
    length: int = 0
    source: str = ""

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def position(self) -> tuple[int, int]:
        return self.line, self.column


@dataclass
class Document:
    """The text of a spec, its data, and values given with `--set`, which stand nowhere in the text."""

    file: str
    text: str
    data: dict[str, Any]
    overrides: dict[KeyPath, str] = field(default_factory=dict)
    broken_at: tuple[int, int] | None = None

    def place(self, path: KeyPath, at: Literal["key", "value"] = "value") -> Place:
        """Return where the key or value of a path stands, or the nearest thing around it that exists."""
        for given, text in self.overrides.items():
            if without_indices(path)[: len(given)] == given:
                return Place(f"--set {text}")
        line, column, length = (self.broken_at and (*self.broken_at, 1)) or self._find(path, at)
        lines = self.text.splitlines()
        source = lines[line - 1] if 0 < line <= len(lines) else ""
        return Place(self.file, line, column, min(length, len(source) - column + 1), source)

    def _find(self, path: KeyPath, at: str) -> tuple[int, int, int]:
        index = self._positions
        while path:
            found = index.get((path, at)) or index.get((path, "key")) or index.get((path, "value"))
            if found:
                return found
            single = tuple(part for i, part in enumerate(path) if not (part == 0 and i == 1))
            path = single if single != path and single in self._paths else path[:-1]
        return 0, 0, 0

    @cached_property
    def _positions(self) -> dict[tuple[KeyPath, str], tuple[int, int, int]]:
        from xprun.specs.positions import positions

        return positions(self.text)

    @cached_property
    def _paths(self) -> set[KeyPath]:
        return {path for path, _ in self._positions}


def read_document(path: Path, sets: tuple[str, ...] = ()) -> Document:
    """Read a spec and apply `--set key=value` texts to it.

    Raises SpecError when the file is missing, too large, not UTF-8 or not TOML.
    """
    return read_text(_read_text(path, Document(str(path), "", {})), str(path), sets)


def read_text(text: str, file: str, sets: tuple[str, ...] = ()) -> Document:
    """Read the text of a spec, which errors call `file`, and apply `--set key=value` texts to it.

    Raises SpecError when it is not TOML.
    """
    document = Document(file, text, {})
    try:
        document.data = tomli.loads(document.text)
    except tomli.TOMLDecodeError as error:
        document.broken_at = (error.lineno, error.colno)
        raise SpecError(document, [Problem((), f"invalid TOML: {error.msg[0].lower()}{error.msg[1:]}")]) from None
    except RecursionError:
        raise SpecError(document, [Problem((), "invalid TOML: nested too deeply")]) from None
    for assignment in sets:
        _override(document, assignment)
    return document


def without_indices(path: KeyPath) -> KeyPath:
    return tuple(part for part in path if isinstance(part, str))


def _read_text(path: Path, document: Document) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(document, [Problem((), f"is larger than {MAX_BYTES:,} bytes, too large for a spec")])
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SpecError(document, [Problem((), f"is not UTF-8 (byte {error.start + 1})", "save it as UTF-8")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        cure = _neighbours(path)
        raise SpecError(document, [Problem((), f"cannot be read: {reason[0].lower()}{reason[1:]}", cure)]) from None


def _neighbours(path: Path) -> str:
    try:
        found = sorted(p.name for p in path.parent.glob("*.toml") if p.name != "pyproject.toml")[:10]
    except (OSError, ValueError):
        return ""
    return f"specs beside it: {', '.join(found)}" if found else ""


def _override(document: Document, text: str) -> None:
    """Put `a.b=value` into the document's data; the value is TOML, and a list sweeps."""
    key, equals, value_text = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    document.overrides[path] = text
    if not equals or not all(path):
        raise SpecError(document, [Problem(path, "is not of the form section.setting=value")])
    value = _toml_value(value_text.strip())
    if isinstance(value, list) and path[0] != "run":
        value = {"grid": value}
    _put(document, document.data, path, value)


def _put(document: Document, table: dict[str, Any], path: KeyPath, value: Any) -> None:
    head, *rest = path
    if not rest:
        table[str(head)] = value
        return
    inner = table.setdefault(str(head), {})
    for one in inner if isinstance(inner, list) else [inner]:
        if not isinstance(one, dict):
            raise SpecError(document, [Problem(path, f"{head!r} is {json.dumps(inner)}, not a table")])
        _put(document, one, tuple(rest), value)


def _toml_value(text: str) -> Any:
    """Return a TOML value; a bare word is a text, so that no second pair of quotes is needed in a shell."""
    try:
        return tomli.loads(f"value = {text}")["value"]
    except (tomli.TOMLDecodeError, KeyError):
        return text
