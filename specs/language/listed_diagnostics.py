"""What is wrong with the problems of a spec, told of the problem that it is about, or once where it is about all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xprun.specs.language.alternatives import tables_of
from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.matching import fits
from xprun.specs.language.result_words import PROBLEM
from xprun.specs.language.schema import PROBLEM_SECTION

if TYPE_CHECKING:
    from xprun.specs.language.document import Document


def gathered(document: Document, found: Mapping[int, Sequence[Diagnostic]]) -> Iterator[Diagnostic]:
    """Yield what was found wrong with each problem, by its number, at its place in the document that lists them.

    What stands in no problem and is wrong on all of them is told once; an exclusion that excludes nothing is wrong only
    where it excludes nothing from any.
    """
    shared: dict[tuple[object, str], list[int]] = {}
    for number, problems in found.items():
        for problem in problems:
            if _is_of_all(document.listed[number], problem):
                shared.setdefault((problem.path, problem.message), []).append(number)
    told: set[tuple[object, str]] = set()
    for number, problems in found.items():
        for problem in problems:
            key = problem.path, problem.message
            is_exclusion = problem.path[:1] == ("exclude",)
            many = len(_excluding(document, problem)) if is_exclusion else len(found)
            if len(shared.get(key, ())) < many:
                if not is_exclusion:
                    yield _inside(problem, number)
            elif key not in told:
                told.add(key)
                yield problem


def _is_of_all(document: Document, problem: Diagnostic) -> bool:
    """Whether what is wrong stands in no problem, nor in what one extends."""
    return bool(problem.path) and document.is_of_all(problem.path)


def _excluding(document: Document, problem: Diagnostic) -> list[int]:
    """Return the problems from which the exclusion at a path may exclude something."""
    tables = dict(tables_of(document.data, "exclude"))
    table: Any = next((found for path, found in tables.items() if problem.path[: len(path)] == path), {})
    wanted = table.get(PROBLEM, None) if isinstance(table, dict) else None
    return [n for n, part in document.listed.items() if wanted is None or fits(part.label, wanted)]


def _inside(problem: Diagnostic, number: int) -> Diagnostic:
    about = tuple((PROBLEM_SECTION, number, *place) for place in problem.about)
    return replace(problem, path=(PROBLEM_SECTION, number, *problem.path), about=about)
