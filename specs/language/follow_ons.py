"""Leaves out errors of a spec that only follow from another one: a misspelt `valid` makes many metrics unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from xprun.specs.language.diagnostics import Diagnostic, UnknownKey
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.schema import REQUIRED_SECTIONS

if TYPE_CHECKING:
    from xprun.specs.language.document import Document


def concluded_from(problems: Iterable[Diagnostic], *places: Path) -> Iterator[Diagnostic]:
    """Yield problems that were concluded from what stands at these places, and may follow from what is wrong there."""
    return (replace(problem, about=places) for problem in problems)


def without_follow_ons(document: Document, problems: list[Diagnostic]) -> list[Diagnostic]:
    """Return the problems that do not follow from others; of references that lead nowhere, nothing is said twice."""
    absent = [Diagnostic((section,), "") for section in REQUIRED_SECTIONS if section not in document.data]
    roots = [*(problem for problem in problems if not problem.about), *absent]
    unresolved = [problem.path for problem in document.problems]
    return [
        problem
        for problem in problems
        if not any(_touches(root, place) for place in problem.about for root in roots)
        and (problem in document.problems or not any(problem.path[: len(path)] == path for path in unresolved))
    ]


def _touches(root: Diagnostic, place: Path) -> bool:
    """Whether what is wrong may change what stands at a place; an unknown key may be any other of its table."""
    path = root.path[:-1] if isinstance(root, UnknownKey) else root.path
    length = min(len(path), len(place))
    return bool(path) and path[:length] == place[:length]
