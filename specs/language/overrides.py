"""`--set optimizer.lr=0.1`: a value from the command line in the place of one of the file."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xprun.specs.language.dotted_paths import Path, parse_dotted
from xprun.specs.language.source import TextError, parse_plainly
from xprun.specs.language.wording import show

if TYPE_CHECKING:
    from xprun.specs.language.positions import Positions


class Values(list[Any]):
    """A list given with `--set`: the setting's value where that may be a list, otherwise a sweep over the items."""


class OverrideError(Exception):
    """A `--set` text makes no sense."""

    def __init__(self, message: str, help_text: str = "") -> None:
        super().__init__(message)
        self.help = help_text


@dataclass
class Override:
    """One `--set` text: the setting it names and the value it gives."""

    text: str
    path: Path
    value: Any

    def find(self, path: Path, at: str) -> tuple[int, int] | None:
        """Return column and length, in the text, of the key or value of a path, or None when it says nothing of it."""
        rest = self._inside(path)
        if rest is None:
            return None
        if at == "key" and not rest:
            return 1, max(1, len(self.text.partition("=")[0].rstrip()))
        while rest:
            if span := self._positions.find(("x", *rest), at) or self._positions.find(("x", *rest), "value"):
                line, column, length = span
                return (self._value_column + column - 3, length) if line == 1 else None
            rest = rest[:-1]
        return self._value_column, max(1, len(self.text) - self._value_column + 1)

    def _inside(self, path: Path) -> Path | None:
        """Return the part of a path that lies inside the value; a section's alternatives are all meant at once."""
        of_all = (path[0], *path[2:]) if len(path) > 1 and isinstance(path[1], int) else path
        for candidate in (path, of_all):
            if candidate[: len(self.path)] == self.path:
                return candidate[len(self.path) :]
        return None

    @property
    def _value_column(self) -> int:
        before, _, value = self.text.partition("=")
        return len(before) + 2 + len(value) - len(value.lstrip())

    @cached_property
    def _positions(self) -> Positions:
        from xprun.specs.language.positions import Positions

        return Positions(f"x={self.text[self._value_column - 1 :]}")


def read_override(text: str) -> Override:
    """Return what a text such as `optimizer.lr=0.1` says; the value is TOML, and a bare word is a text.

    Raises OverrideError when it is not of that form.
    """
    key, equals, value_text = text.partition("=")
    path = parse_dotted(key)
    if not equals or path is None or not _is_unicode(text):
        raise OverrideError("is not of the form section.setting=value", "for example --set optimizer.lr=0.1")
    if path[0] == "extends":
        raise OverrideError("extends can only be set in the file")
    value = _toml_value(value_text.strip())
    return Override(text, path, Values(value) if isinstance(value, list) and len(path) > 1 else value)


def apply(data: dict[str, Any], override: Override) -> dict[str, Any]:
    """Return the data of a spec with a value put in; where a section has alternatives, into each of them.

    Raises OverrideError for a path that leads through something other than tables.
    """
    data = copy.deepcopy(data)
    _put(data, override.path, override.value)
    return data


def _put(container: Any, path: Path, value: Any) -> None:
    head, *rest = path
    if isinstance(container, list) and not isinstance(head, int):
        for item in container:
            _put(item, path, value)
        return
    fits = isinstance(container, dict) if isinstance(head, str) else isinstance(container, list)
    if not fits:
        raise OverrideError(f"there is no {show(head)} in {show(container)}")
    if isinstance(head, int) and head >= len(container):
        raise OverrideError(f"there are {len(container)} of them, counted from 0; there is no [{head}]")
    if rest and isinstance(head, str):
        container.setdefault(head, {})
    if rest:
        _put(container[head], tuple(rest), value)
    else:
        container[head] = value


def _toml_value(text: str) -> Any:
    """Return a TOML value; a bare word is a text, so that no second pair of quotes is needed in a shell."""
    try:
        data = parse_plainly(f"x = {text}")
    except (TextError, ValueError, RecursionError):
        return text
    return data["x"] if len(data) == 1 else text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of a shell that are no UTF-8
        return False
    return True
