"""Errors of a spec, shown as a compiler shows them: place, reason, the line with a caret, the cure; all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xprun.specs.document import Document

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (`path` in the document; its key or its value), what, and the cure."""

    path: Path
    message: str
    cure: str = ""
    at: Literal["key", "value"] = "value"

    @property
    def dotted(self) -> str:
        """The path as a user writes it: `optimizer.lr`, `model.layers[2].out_features`."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return text.lstrip(".")


class SpecError(Exception):
    """A spec cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, document: Document, problems: list[Problem]) -> None:
        self.document = document
        self.problems = sorted(problems, key=lambda p: document.place(p.path, p.at).position)
        super().__init__(self.render())

    def render(self) -> str:
        """Return all problems as text, in the order of their places."""
        return "\n".join(render(self.document, problem) for problem in self.problems)


def render(document: Document, problem: Problem) -> str:
    """Return one problem as `file:line:col: field: reason`, the source line with a caret, and the cure."""
    place = document.place(problem.path, problem.at)
    field = f"{printable(problem.dotted)}: " if problem.path else ""
    lines = [f"{printable(place.name)}: {field}{printable(problem.message)}"]
    if place.source:
        number = str(place.line)
        blank = "".join("\t" if c == "\t" else " " for c in place.source[: place.column - 1])
        lines.append(f"{number:>5} | {printable(place.source, keep_tabs=True)}")
        lines.append(f"{'':>5} | {blank}{'^' * max(1, place.length)}")
    if problem.cure:
        lines += [f"      {line}" for line in printable(problem.cure, keep_lines=True).splitlines()]
    return "\n".join(lines)


def printable(text: str, *, keep_tabs: bool = False, keep_lines: bool = False) -> str:
    """Return the text with control characters escaped, so that a name cannot drive the terminal."""
    kept = ("\t" if keep_tabs else "") + ("\n" if keep_lines else "")
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)
