"""Errors of a spec, shown as a compiler shows them: place, reason, the line with a caret, and help; all at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from xprun.errors import Error
from xprun.specs.language.dotted_paths import Path as Path  # part of a Diagnostic
from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.other_notations import Meant

if TYPE_CHECKING:
    from xprun.specs.language.document import Document, Place

MAX_DIAGNOSTICS = 100
WIDEST = 160  # characters of a source line that are shown
# What drives a terminal, turns the rest of a line round, or is half a character; tabs and ends of lines are not here.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong: where (`path` in the document; its key or its value), what, and what would help.

    `meant` is what stands there in the words of the language, which is told as it is written at that place: in a file
    or in `--set`. `about` are other places from which the problem was concluded, and from whose errors it may follow.
    """

    path: Path
    message: str
    help: str = ""
    at: Literal["key", "value"] = "value"
    meant: Meant | None = None
    about: tuple[Path, ...] = ()

    @property
    def dotted(self) -> str:
        """The path as a user writes it, `optimizer.lr`, `model.layers[2].out_features`; empty for a whole `--set`."""
        return dotted(self.path) if self.path[:1] != ("--set",) else ""


@dataclass(frozen=True, slots=True)
class UnknownKey(Diagnostic):
    """A key that its table does not take; `has_near`: the message names one that it does."""

    has_near: bool = False


class Diagnostics(list[Diagnostic]):
    """What is wrong with a document, as it is found; a hundred findings are enough and raise SpecError."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document

    def append(self, problem: Diagnostic) -> None:
        super().append(problem)
        if len(self) >= MAX_DIAGNOSTICS:
            raise SpecError(self.document, self)

    def __iadd__(self, problems: Iterable[Diagnostic]) -> Self:  # type: ignore[misc, override]
        for problem in problems:
            self.append(problem)
        return self


class SpecError(Error):
    """A spec cannot be used; `problems` says everything that is wrong with it, in the order of the file."""

    exit_code = 2

    def __init__(self, document: Document, problems: list[Diagnostic]) -> None:
        self.document = document
        from xprun.specs.language.follow_ons import without_follow_ons

        placed: dict[tuple[Place, str], Diagnostic] = {}
        for problem in without_follow_ons(document, problems):  # one value may stand in several alternatives
            placed.setdefault((document.place(problem.path, problem.at), problem.message), problem)
        self.problems = [problem for _, problem in sorted(placed.items(), key=lambda item: _order(item[0][0]))]
        super().__init__(self.render())

    def __reduce__(self) -> Any:
        return type(self), (self.document, self.problems)

    def render(self) -> str:
        """Return all problems as text, in the order of their places."""
        more = [f"there may be more: only the first {MAX_DIAGNOSTICS} are shown"] * (
            len(self.problems) >= MAX_DIAGNOSTICS
        )
        return "\n".join([*(render(self.document, problem) for problem in self.problems), *more])

    def as_objects(self) -> list[dict[str, Any]]:
        """Return the problems as plain values: `file line column length field message help source`."""
        return [_as_object(self.document, problem) for problem in self.problems]


def render(document: Document, problem: Diagnostic) -> str:
    """Return one problem as `file:line:col: field: reason`, the source line with a caret, and help."""
    place = document.place(problem.path, problem.at)
    field = f"{printable(problem.dotted)}: " if problem.dotted else ""
    lines = [f"{printable(place.name)}: {field}{printable(problem.message)}"]
    if place.source:
        before, marked, after = _window(place.source, place.column - 1, max(1, place.length))
        lines.append(f"{place.line:>5} | {before}{marked}{after}".rstrip())
        lines.append(f"{'':>5} | {_blank(before)}{'^' * max(1, _width(marked))}")
    for help_line in _help(document, problem):
        lines += [f"      {line}" for line in printable(help_line, keep_lines=True).splitlines()]
    return "\n".join(lines)


def printable(text: str, *, keep_tabs: bool = False, keep_lines: bool = False) -> str:
    """Return the text with control characters escaped, so that a name cannot drive the terminal."""
    kept = ("\t" if keep_tabs else "") + ("\n" if keep_lines else "")
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


def inert(text: str) -> str:
    """Return the text with an escape in the place of every control character but tabs and ends of lines."""
    return CONTROL.sub(lambda c: printable(c[0]), text)


def _as_object(document: Document, problem: Diagnostic) -> dict[str, Any]:
    place = document.place(problem.path, problem.at)
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "length": place.length,
        "field": problem.dotted,
        "message": problem.message,
        "help": "\n".join(_help(document, problem)),
        "source": place.source,
    }


def _order(place: Place) -> tuple[int, int, int]:
    return place.rank, place.line, place.column


def _help(document: Document, problem: Diagnostic) -> list[str]:
    meant = ""
    if problem.meant:
        key = document.set_key(problem.path)
        meant = problem.meant.on_command_line(key) if key else problem.meant.in_file()
    return [line for line in (document.note(problem.path), meant, problem.help) if line]


def _window(source: str, column: int, length: int) -> tuple[str, str, str]:
    """Return what stands before, at and behind a place of a line, a long line being cut; nothing drives a terminal."""
    start = max(0, column - WIDEST // 2) if len(source) > WIDEST else 0
    end = min(len(source), max(start + WIDEST, column + 1))
    before, marked = source[start:column], source[column : min(end, column + length)]
    after = source[column + len(marked) : end]
    before, after = "..." * (start > 0) + before, after + "..." * (end < len(source))
    return printable(before, keep_tabs=True), printable(marked, keep_tabs=True), printable(after, keep_tabs=True)


def _blank(text: str) -> str:
    return "".join(" " * _width(c) if c != "\t" else c for c in text)


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes: an East Asian character two, a combining one none."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
