"""`--set optimizer.lr=0.1`: a value from the command line in the place of one of the file."""

from __future__ import annotations

import copy
import re
import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xprun.specs.language.dotted_paths import Path, dotted, parse_dotted, removed, settings_in
from xprun.specs.language.extends import UNSET
from xprun.specs.language.other_notations import meant_by, several
from xprun.specs.language.schema import COMPONENT_SECTIONS
from xprun.specs.language.source import TextError, parse_plainly
from xprun.specs.language.wording import MOST_LISTED, did_you_mean, show

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

    @property
    def key(self) -> str:
        """The dotted key, as it was written."""
        return self.text.partition("=")[0].strip()

    def inside(self, path: Path) -> Override:
        """Return the override as it is found by paths inside of another one; where it lies elsewhere, unchanged."""
        return replace(self, path=self.path[len(path) :]) if self.path[: len(path)] == path else self

    def covers(self, path: Path) -> bool:
        """Whether the value at a path is, or lies in, the one that is given."""
        return self._inside(path) is not None

    def gives(self, path: Path) -> bool:
        """Whether the value at a path is the one that is given, and not a part of it."""
        return self._inside(path) == ()

    def _inside(self, path: Path) -> Path | None:
        """Return the part of a path that lies inside the value; a section's alternatives are all meant at once."""
        of_all = (path[0], *path[2:]) if len(path) > 1 and isinstance(path[1], int) else path
        own = (self.path[0], *self.path[2:]) if self.path[1:2] == (0,) else self.path  # [x] once
        for candidate, given in ((path, self.path), (of_all, self.path), (path, own)):
            if candidate[: len(given)] == given:
                return candidate[len(given) :]
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
    if not equals or path is None or not _is_unicode(text) or not _NAME.match(str(path[0])):
        raise OverrideError("is not of the form section.setting=value", _form_of(text))
    if path[0] == "extends":
        raise OverrideError("extends can only be set in the file")
    value = _toml_value(value_text.strip())
    if path[0] in COMPONENT_SECTIONS and isinstance(value, str) and not any(isinstance(part, str) for part in path[1:]):
        raise OverrideError(
            f"{dotted(path)} is a section, with a component and its settings", _named(dotted(path), value)
        )
    return Override(text, path, Values(value) if isinstance(value, list) and len(path) > 1 else value)


_NAME = re.compile(r"[^-+~/]")


def _form_of(text: str) -> str:
    """Return the form in which a setting of another tool is given: `optimizer.lr:0.1`, `+optimizer.lr=0.1`."""
    bare = text.strip().lstrip("-+")
    if bare.startswith("~"):
        return f"write --set unset={bare[1:].partition('=')[0]}"
    key, sign, value = re.match(r"([^\s=:]*)\s*(=|:|)\s*(.*)", bare, re.DOTALL).groups()  # type: ignore[union-attr]
    path = parse_dotted(key)
    if path is None or not path or not _NAME.match(str(path[0])):
        return "for example --set optimizer.lr=0.1"
    if not sign and len(path) == 1 and path[0] in COMPONENT_SECTIONS:
        return f"for example --set {key}.name=NAME"
    return f"write {option(key, value) if value else option(key, 'VALUE')}"


def _named(section: str, value: str) -> str:
    if inside := re.match(r"\{\s*name\s*=\s*[\"']?([\w.-]+)", value):  # a table whose strings lack quotes
        value = inside[1]
    names = names_in(value)
    return f"alternatives: {as_alternatives(section, names)}" if names else f"write {option(f'{section}.name', value)}"


def names_in(text: str) -> list[str]:
    """Return the names in a text of several, `SGD,Adam`; nothing where it is one."""
    found = several(text) or meant_by(text)
    return [str(name) for name in _toml_value(found.toml)] if found and found.toml.startswith("[") else []


def as_alternatives(section: str, names: list[str]) -> str:
    """Return the option that gives a section these components as its alternatives."""
    tables = ", ".join(f'{{ name = "{name}" }}' for name in names)
    return option(section, f"[{tables}]")


def option(key: str, value: str) -> str:
    """Return `--set key=value` as a shell takes it."""
    return f"--set {shlex.quote(f'{key}={value}')}"


def apply(data: dict[str, Any], override: Override) -> dict[str, Any]:
    """Return the data of a spec with a value put in; where a section has alternatives, into each of them.

    Raises OverrideError for a path that leads through something other than tables.
    """
    data = copy.deepcopy(data)
    if override.path == (UNSET,):
        return _unset(data, override.value)
    _put(data, override.path, override.value)
    return data


def _unset(data: dict[str, Any], keys: Any) -> dict[str, Any]:
    """Return the data without what `--set unset=scheduler`, or a list, takes away."""
    for key in keys if isinstance(keys, list) else [keys]:
        path = parse_dotted(key) if isinstance(key, str) else None
        if path is None:
            raise OverrideError(f"{show(key)} is not a dotted key", "for example --set unset=run.search_seed")
        try:
            data = removed(data, path)
        except LookupError:
            near = did_you_mean(dotted(path), [dotted(found) for found in settings_in(data)])
            raise OverrideError(f"the spec does not set {dotted(path)}{near}") from None
    return data


def _put(container: Any, path: Path, value: Any, at: Path = ()) -> None:
    """Put a value in; `at` is the path of the container."""
    head, *rest = path
    if isinstance(container, list) and not isinstance(head, int):
        for item in container:
            _put(item, path, value, at)
        return
    if isinstance(head, int) and isinstance(container, dict) and not at[1:]:
        if head:
            message = f"there is one {at[0]}, counted from 0; there is no {at[0]}[{head}]"
            raise OverrideError(message, f"leave [{head}] out: {dotted((*at, *rest))}")
        if rest:
            _put(container, tuple(rest), value, at)  # a section that is written once
        elif isinstance(value, dict):
            container.clear()
            container.update(value)
        else:
            message = f"{dotted((*at, head))} is a section, with a component and its settings, not {show(value)}"
            raise OverrideError(message, f"for example --set {at[0]}.name=NAME")
        return
    fits = isinstance(container, dict) if isinstance(head, str) else isinstance(container, list)
    if not fits:
        where, name = dotted(at), dotted((head,)) if isinstance(head, str) else f"[{head}]"
        raise OverrideError(f"{where} is {show(container)}, in which there is no {name}")
    if isinstance(head, int) and head >= len(container):
        there = ", ".join(dotted((*at, i)) for i in range(min(len(container), MOST_LISTED)))
        message = f"{dotted(at)} has {len(container)} of them, counted from 0; there is no {dotted((*at, head))}"
        raise OverrideError(message, f"there are {there}" if container else "")
    if rest and isinstance(rest[0], int) and head not in container:
        raise OverrideError(f"{dotted((*at, head))} is not set, so there is no {dotted((*at, head, rest[0]))}")
    if rest and isinstance(head, str):
        container.setdefault(head, {})
    if rest:
        _put(container[head], tuple(rest), value, (*at, head))
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
