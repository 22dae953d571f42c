"""From a document to a Spec: every section as alternatives, every sweep as an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError
from xprun.specs.document import Document
from xprun.specs.errors import Path, Problem, SpecError
from xprun.specs.expect import Expectation, ExpectTable, expectations_of, flattened
from xprun.specs.models import COMPONENT_SECTIONS, Compare, Head, RunSettings, Strict
from xprun.specs.sweeps import is_sweep, read_sweep
from xprun.specs.wording import did_you_mean, show, unknown_key, value_problems

Model = TypeVar("Model", bound=Strict)


@dataclass(frozen=True)
class Axis:
    """A swept setting: its path inside its section, and its values."""

    path: Path
    values: Sequence[Any]


@dataclass(frozen=True)
class Alternative:
    """One way to fill a section: a component's name, its constant settings and its axes.

    `path` is where it stands in the document. `fingerprint` identifies the component's source, `aside` names the
    settings that change no result; they and the defaults are filled in by whoever knows the components.
    """

    section: str
    path: Path
    name: str
    settings: dict[str, Any]
    axes: tuple[Axis, ...] = ()
    label: str = ""
    written: tuple[str, ...] = ()
    fingerprint: str = ""
    aside: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spec:
    """A whole spec, read and structurally sound; names and settings of components are not yet looked up."""

    document: Document
    head: Head
    sections: dict[str, tuple[Alternative, ...]]
    run: Alternative
    compare: Compare
    expectations: tuple[Expectation, ...] = ()
    name: str = field(default="spec")


def read_spec(document: Document) -> Spec:
    """Return the Spec that a document describes; raise SpecError with everything that is wrong."""
    data, problems = document.data, _section_problems(document.data)
    own = {key: value for key, value in data.items() if key in Head.model_fields}
    head = _model(Head, own, (), problems)
    compare = _model(Compare, data.get("compare", {}), ("compare",), problems)
    sections = {section: tuple(_alternatives(data, section, problems)) for section in COMPONENT_SECTIONS}
    run = _run(data.get("run", {}), problems)
    expectations = tuple(_expectations(data, problems))
    if problems or head is None or compare is None or run is None:
        raise SpecError(document, problems)
    name = head.name or document.file.replace("\\", "/").rpartition("/")[2].removesuffix(".toml")
    return Spec(document, head, sections, run, compare, expectations, name)


def _section_problems(data: dict[str, Any]) -> list[Problem]:
    known = [*Head.model_fields, *COMPONENT_SECTIONS, "run", "compare", "expect"]
    problems = [
        Problem(
            (key,),
            f"there is no such section{did_you_mean(key, known)}",
            f"a spec has {', '.join(known)}",
            "key",
        )
        for key in data
        if key not in known
    ]
    missing = [s for s in (*COMPONENT_SECTIONS, "run") if s not in data]
    if missing:
        tables = " ".join(f"[{section}]" for section in missing)
        problems.append(Problem((), f"the spec lacks {tables}", "a spec says data, model, loss, optimizer and run"))
    return problems


def _model(model: type[Model], data: Any, path: Path, problems: list[Problem]) -> Model | None:
    """Return the typed section, or None after adding what is wrong with it to `problems`."""
    if not isinstance(data, dict):
        problems.append(Problem(path, f"must be a table, not {show(data)}"))
        return None
    known = list(model.model_fields)
    unknown = [key for key in data if key not in known]
    problems += [unknown_key((*path, key), f"[{path[0]}]", known) for key in unknown]
    try:
        return model.model_validate({key: value for key, value in data.items() if key not in unknown})
    except ValidationError as error:
        problems += value_problems(error, path, data)
        return None


def _alternatives(data: dict[str, Any], section: str, problems: list[Problem]) -> Iterator[Alternative]:
    """Yield the alternatives of a section that is written once, `[x]`, or several times, `[[x]]`."""
    if data.get(section) == []:
        problems.append(Problem((section,), "has no alternatives"))
    for path, table in _tables(data, section):
        if not isinstance(table, dict):
            problems.append(Problem(path, f"must be a table, not {show(table)}"))
        else:
            yield from _alternative(section, path, table, problems)


def _tables(data: dict[str, Any], section: str) -> Iterator[tuple[Path, Any]]:
    """Yield where each `[x]` or `[[x]]` stands, and what stands there."""
    written = data.get(section, [])
    several = isinstance(written, list)
    for i, table in enumerate(written if several else [written]):
        yield ((section, i) if several else (section,)), table


def _expectations(data: dict[str, Any], problems: list[Problem]) -> Iterator[Expectation]:
    for path, table in _tables(data, "expect"):
        if isinstance(table, dict):
            table = {key: flattened(value) if key in ("where", "beats") else value for key, value in table.items()}
        before = len(problems)
        typed = _model(ExpectTable, table, path, problems)
        if typed is not None and len(problems) == before:
            yield from expectations_of(typed, path, problems)


def _alternative(section: str, path: Path, table: dict[str, Any], problems: list[Problem]) -> Iterator[Alternative]:
    name = table.get("name", "layers" if section == "model" and "layers" in table else None)
    label = table.get("label", "")
    if not isinstance(name, str):
        wrong = "is missing" if name is None else f"must be a text in quotes, not {show(name)}"
        problems.append(Problem((*path, "name"), wrong, f'name the component: [{section}] name = "..."'))
        return
    if not isinstance(label, str):
        problems.append(Problem((*path, "label"), f"must be a text in quotes, not {show(label)}"))
        return
    settings = {key: value for key, value in table.items() if key not in ("name", "label")}
    settings, axes = split_axes(settings, path, problems)
    yield Alternative(section, path, name, settings, axes, label, tuple(k for k in table if k not in ("name", "label")))


def _run(table: Any, problems: list[Problem]) -> Alternative | None:
    """Return `[run]` as an alternative, every combination of whose settings is valid."""
    if not isinstance(table, dict):
        problems.append(Problem(("run",), f"must be a table, not {show(table)}"))
        return None
    settings, axes = split_axes(table, ("run",), problems)
    before = len(problems)
    _model(RunSettings, settings, ("run",), problems)
    for axis in axes:
        for value in axis.values[:1000] if isinstance(axis.values, list | range) else axis.values:
            _model(RunSettings, replaced(settings, axis.path, value), ("run",), problems)
    chosen = [key for key in ("epochs", "steps") if table.get(key) is not None]
    if len(chosen) != 1 and len(problems) == before:
        wrong = "says both epochs and steps" if chosen else "does not say how long a run is"
        problems.append(Problem(("run",), wrong, "write epochs = 20 or steps = 1000", at="key"))
    if any(axis.path == ("seeds",) for axis in axes):
        problems.append(Problem(("run", "seeds"), "seeds are no sweep", "write seeds = 5 or seeds = [0, 1, 2]"))
    return Alternative("run", ("run",), "run", settings, axes)


def split_axes(
    settings: dict[str, Any], path: Path, problems: list[Problem]
) -> tuple[dict[str, Any], tuple[Axis, ...]]:
    """Return the settings with each sweep's first value in its place, and the sweeps as axes."""
    axes = []
    for inner, table in list(_find_sweeps(settings, ())):
        values, wrong = read_sweep(table, path + inner)
        problems += wrong
        first = values[0] if len(values) else None
        settings = replaced(settings, inner, first)
        if not wrong:
            axes.append(Axis(inner, values))
    return settings, tuple(axes)


def _find_sweeps(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if is_sweep(value):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _find_sweeps(inner, (*path, key))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of nested tables and lists in which the value at `path` is `new`."""
    if not path:
        return new
    key, *rest = path
    copy = value.copy()
    copy[key] = replaced(copy[key], tuple(rest), new)
    return copy
