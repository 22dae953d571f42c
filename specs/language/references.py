"""`${run.epochs}` in a text: the value at that dotted key; `$${` is a plain `${`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic, Diagnostics
from xprun.specs.language.dotted_paths import Path, at, dotted, parse_dotted, settings_in
from xprun.specs.language.sweeps import is_sweep
from xprun.specs.language.wording import MOST_LISTED, nearest, show

MAX_TEXT = 1000  # characters of a text with references in it
MAX_CHAIN = 20  # references that stand behind one another
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Reference:
    """What a text refers to: the first reference in it, as written, and where that leads."""

    text: str
    target: Path


class _UnresolvedError(Exception):
    def __init__(self, message: str, help_text: str = "") -> None:
        super().__init__(message)
        self.help = help_text


def resolve_references(data: dict[str, Any], problems: Diagnostics) -> tuple[dict[str, Any], dict[Path, Reference]]:
    """Return the data with every reference followed, and what each text that holds one refers to.

    A text that is one reference takes the value with its type; in a longer text the value stands as text. What cannot
    be followed is added to `problems`.
    """
    resolver = _Resolver(data, problems)
    return resolver.walk(data, ()), resolver.references


class _Resolver:
    def __init__(self, data: dict[str, Any], problems: Diagnostics) -> None:
        self.data, self.problems = data, problems
        self.references: dict[Path, Reference] = {}
        self.known: dict[Path, Any] = {}

    def walk(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self.walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return type(value)(self.walk(inner, (*path, i)) for i, inner in enumerate(value))
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            resolved = self.follow(value, (path,))
        except _UnresolvedError as error:
            self.problems.append(Diagnostic(path, str(error), error.help))
            return value
        if reference := _first(value):
            self.references[path] = reference
        return resolved

    def follow(self, text: str, chain: tuple[Path, ...]) -> Any:
        """Return what a text with references stands for; `chain` holds the places that led to it."""
        _refuse_unclosed(text)
        whole = _REFERENCE.fullmatch(text)
        if whole and whole[1] is not None:
            return self.target(whole[1], chain)
        result = _REFERENCE.sub(lambda m: "${" if m[1] is None else _text(self.target(m[1], chain)), text)
        if len(result) > MAX_TEXT:
            raise _UnresolvedError(f"expands to more than {MAX_TEXT:,} characters")
        return result

    def target(self, name: str, chain: tuple[Path, ...]) -> Any:
        path = parse_dotted(name)
        if path is None or _CALCULATED.match(name):
            raise _UnresolvedError(*_no_name(name))
        if path in chain:
            circle = [*chain[chain.index(path) :], path]
            raise _UnresolvedError(
                f"refers to itself: {' -> '.join(map(dotted, circle))}", "write the value out in one of these places"
            )
        if len(chain) > MAX_CHAIN:
            raise _UnresolvedError(f"goes through more than {MAX_CHAIN} references")
        if path not in self.known:
            self.known[path] = self.plain(name, path, self.find(name, path), (*chain, path))
        return self.known[path]

    def find(self, name: str, path: Path) -> Any:
        for length in range(1, len(path) + 1):
            try:
                at(self.data, path[:length])
            except LookupError:
                raise _UnresolvedError(*_not_there(self.data, name, path, length)) from None
        return at(self.data, path)

    def plain(self, name: str, path: Path, value: Any, chain: tuple[Path, ...]) -> Any:
        """Return a value that a reference may stand for: a text, a number, true or false, or a list of these."""
        if isinstance(value, str):
            return self.follow(value, chain) if "${" in value else value
        if isinstance(value, list) and value and all(isinstance(item, Scalar) for item in value):
            return [self.plain(name, path, item, chain) for item in value]
        if isinstance(value, Scalar):
            return value
        raise _UnresolvedError(*_no_plain_value(name, path, value))


def _no_plain_value(name: str, path: Path, value: Any) -> tuple[str, str]:
    """Return message and help for a reference that leads to something else than a plain value."""
    leads = "a reference leads to a string, a number, a boolean or a list of these"
    if is_sweep(value):
        tag = str(value.get("with") or path[-1])
        sweep = ", ".join(f"{key} = {show(content)}" for key, content in {**value, "with": tag}.items())
        together = f"to move with {dotted(path)}, write {{ {sweep} }} in both places"
        return f"{_written(name)} is a sweep", f"{together}; labels show swept values by themselves"
    if isinstance(value, dict) and value:
        keys = ", ".join(_written(dotted((*path, key))) for key in list(value)[:MOST_LISTED])
        return f"{_written(name)} is a table", f"{leads}: {keys}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        which = _written(dotted((*path, 0, next(iter(value[0]), "name"))))
        return f"{_written(name)} is a list of tables", f"{leads}: {which}"
    return f"{_written(name)} is {show(value)}", leads


def _not_there(data: dict[str, Any], name: str, path: Path, length: int) -> tuple[str, str]:
    """Return message and help for a reference of which the first `length` parts lead nowhere."""
    around = at(data, path[: length - 1])
    literal = f"write $${{{name}}} for these characters themselves"
    if isinstance(around, list) and isinstance(path[length - 1], str):
        which = dotted((*path[: length - 1], 0, *path[length - 1 :]))
        return f"{_written(name)}: there are {len(around)} of them", f"say which one: {_written(which)}"
    message = f"{_written(name)}: the spec does not set it"
    known = [dotted((*path[: length - 1], key)) for key in _keys(around)]
    same_name = [dotted(found) for found in settings_in(data) if len(path) == 1 and found[-1] == path[0]]
    if near := same_name[0] if same_name else nearest(dotted(path[:length]), known):
        return f"{message}; did you mean {near!r}?", ""
    if re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
        return message, f"{_ENVIRONMENT}\n{literal}"
    return message, literal


def _no_name(name: str) -> tuple[str, str]:
    """Return message and help for what stands in braces and is no dotted key."""
    literal = f"$${{{name}}} for these characters themselves"
    calculated = _CALCULATED.match(name)
    if calculated is None:
        return f"{_written(name)} names no setting", f"write a dotted key, ${{run.epochs}}, or {literal}"
    message = f"{_written(name)}: a reference names a setting of the spec, and calculates and formats nothing"
    return message, _ENVIRONMENT if "env" in (calculated[1] or "").lower() else f"write the value out, or {literal}"


_CALCULATED = re.compile(r"([\w.]+):|.*(?:[*+%()|!?]|\s[-/]\s|/\s*\d)")
_ENVIRONMENT = "environment variables are not read: give the value with --set SETTING=VALUE"


def _keys(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()


def _first(text: str) -> Reference | None:
    for match in _REFERENCE.finditer(text):
        path = parse_dotted(match[1] or "")
        if path is not None:
            return Reference(match[0], path)
    return None


def _refuse_unclosed(text: str) -> None:
    rest = _REFERENCE.sub("", text)
    if "${" not in rest:
        return
    name = re.search(r"\$\{([\w.\[\]]*)", rest)
    reference = f"write {_written(name[1])} for a reference, and " if name and name[1] else "write "
    if rest != text:
        reference = "a reference stands in no other one; write "
    raise _UnresolvedError("has a ${ without a closing }", f"{reference}$${{ for a literal ${{")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _written(name: str) -> str:
    return f"${{{name}}}"
