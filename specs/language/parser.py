"""From a document to a Spec: every section as alternatives, every sweep as an axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError
from xprun.specs.language.ablations import Ablation, read_ablations
from xprun.specs.language.alternatives import Alternative, Axis, read_alternatives, split_axes, tables_of
from xprun.specs.language.diagnostics import Diagnostic, Diagnostics
from xprun.specs.language.document import Document
from xprun.specs.language.dotted_paths import Path, replaced
from xprun.specs.language.expectations import Expectation, ExpectTable, expectations_of, flattened
from xprun.specs.language.filters import Exclusion, read_exclusions, unknown_problems
from xprun.specs.language.keywords import NEVER_SWEPT
from xprun.specs.language.linked_sweeps import together_problems
from xprun.specs.language.listed_problems import OF_ALL, TASK, label_problems, several_problems, table_problems
from xprun.specs.language.schema import (
    COMPONENT_SECTIONS,
    CONFIRM_SECTION,
    OPTIONAL_SECTIONS,
    PROBLEM_SECTION,
    REQUIRED_SECTIONS,
    Compare,
    Confirm,
    Head,
    RunSettings,
    Strict,
    known_sections,
)
from xprun.specs.language.searches import Search, read_search
from xprun.specs.language.sweeps import is_sweep
from xprun.specs.language.wording import nearest, never_swept, show, unknown_key, value_problems

Model = TypeVar("Model", bound=Strict)
_EXAMPLES = {  # of a setting of each section
    "run": "epochs = 20",
    "compare": 'metric = "valid.loss"',
    "confirm": "seeds = 10",
    "expect": 'value = "final.loss" with max = 0.1',
}


@dataclass(frozen=True)
class Spec:
    """A whole spec. `problems` is what is wrong with its structure; its components are not yet looked up.

    Where there are problems, what could not be read is left out or has its default. `notes` are settings that were
    inherited and have no effect. `listed` are its `[[problem]]`s, each a spec of its own that knows its label as
    `problem`; `sections` then hold the alternatives of all of them.
    """

    document: Document
    head: Head
    sections: dict[str, tuple[Alternative, ...]]
    run: Alternative
    compare: Compare
    confirm: Confirm | None
    search: Search | None
    name: str
    exclusions: tuple[Exclusion, ...]
    ablations: tuple[Ablation, ...]
    expectations: tuple[Expectation, ...]
    problems: Diagnostics
    notes: tuple[Diagnostic, ...] = ()
    listed: tuple[Spec, ...] = ()
    problem: str = ""

    @property
    def parts(self) -> tuple[Spec, ...]:
        """The specs of which each makes a grid: those of its problems, or the spec itself."""
        return self.listed or (self,)

    @property
    def alternatives(self) -> list[Alternative]:
        """The alternatives of all sections, and `[run]`."""
        return [*(a for alternatives in self.sections.values() for a in alternatives), self.run]

    def variants(self) -> list[Spec]:
        """Return the spec without its ablations, and for each of them the spec with its one setting changed.

        Of each of its problems, where it lists some.
        """
        if self.listed:
            return [variant for part in self.listed for variant in part.variants()]
        base = replace(self, ablations=())
        return [base, *(base.changed_by(ablation) for ablation in self.ablations)]

    def changed_by(self, ablation: Ablation) -> Spec:
        """Return the spec in which a section has the alternatives of an ablation."""
        if ablation.section == "run":
            return replace(self, run=ablation.alternatives[0])
        return replace(self, sections={**self.sections, ablation.section: ablation.alternatives})


def read_spec(document: Document) -> Spec:
    """Return the Spec that a document describes, with everything that is wrong with its structure."""
    return _read_listing(document) if PROBLEM_SECTION in document.data else _read_one(document)


def _read_listing(document: Document) -> Spec:
    """Return a Spec with its problems, each of which is read as a spec and knows what is wrong with itself."""
    data, problems = document.data, Diagnostics(document)
    problems += document.problems
    problems += table_problems(data)
    parts = tuple(_read_one(part) for part in document.listed.values())
    if "optimizer" not in data:
        help_text = "what is compared on all problems stands at the top of the spec"
        problems.append(Diagnostic((), "the spec is missing [optimizer]", help_text))
    labels = [part.problem for part in parts]
    problems += label_problems(labels)
    problems += unknown_problems(data, labels)
    head = _model(Head, {key: value for key, value in data.items() if key in Head.model_fields}, (), problems)
    compare = _model(Compare, data.get("compare", {}), ("compare",), problems)
    return united(
        Spec(
            document=document,
            head=head or Head(),
            sections={},
            run=Alternative("run", ("run",), "run", {}),
            compare=compare or Compare(),
            confirm=parts[0].confirm if parts else None,
            search=parts[0].search if parts else None,
            name=_name(head, document),
            exclusions=parts[0].exclusions if parts else (),
            ablations=(),
            expectations=tuple(_expectations(data, problems)),
            problems=problems,
        ),
        parts,
    )


def united(spec: Spec, parts: tuple[Spec, ...]) -> Spec:
    """Return a spec with these as its problems; its sections hold the alternatives of all of them.

    Those of what is compared are the same on each, and so are the seeds of `[run]`.
    """
    names = [name for name in COMPONENT_SECTIONS if any(name in part.sections for part in parts)]
    sections = {
        name: parts[0].sections[name]
        if name not in TASK
        else tuple(alternative for part in parts for alternative in part.sections.get(name, ()))
        for name in names
    }
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return replace(spec, sections=sections, run=parts[0].run if parts else spec.run, listed=parts, notes=notes)


def _name(head: Head | None, document: Document) -> str:
    return (head and head.name) or document.file.replace("\\", "/").rpartition("/")[2].removesuffix(".toml")


def _read_one(document: Document) -> Spec:
    """Return the Spec of a document without problems, or that of a problem."""
    data, problems = document.data, Diagnostics(document)
    problems += document.problems
    problems += _section_problems(data, OF_ALL if document.label else ())
    head = _model(Head, {key: value for key, value in data.items() if key in Head.model_fields}, (), problems)
    compare = _model(Compare, data.get("compare", {}), ("compare",), problems)
    asked = CONFIRM_SECTION in data
    confirm = _model(Confirm, data[CONFIRM_SECTION], (CONFIRM_SECTION,), problems) if asked else None
    problems += several_problems(data) if document.label else ()
    seed = _search_seed(data)
    present = [name for name in COMPONENT_SECTIONS if name in data or name not in OPTIONAL_SECTIONS]
    sections = {name: tuple(read_alternatives(data, name, problems, seed)) for name in present}
    spec = Spec(
        document=document,
        head=head or Head(),
        sections=sections,
        run=_run(data, problems, seed),
        compare=compare or Compare(),
        confirm=confirm,
        search=read_search(data, problems),
        name=_name(head, document),
        exclusions=tuple(read_exclusions(data, problems, document.label)),
        ablations=tuple(read_ablations(data, problems, seed)),
        expectations=tuple(_expectations(data, problems)),
        problems=problems,
        problem=document.label,
    )
    problems += together_problems(spec.alternatives, document)
    return spec


def _section_problems(data: dict[str, Any], elsewhere: tuple[str, ...] = ()) -> Iterator[Diagnostic]:
    """Yield the sections that are missing, and not just misspelt; some are looked for `elsewhere`."""
    misspelt = {nearest(key, known_sections()) for key in data if key not in known_sections()}
    missing = [
        section for section in REQUIRED_SECTIONS if section not in data and section not in (*misspelt, *elsewhere)
    ]
    if missing:
        tables = " ".join(f"[{section}]" for section in missing)
        yield Diagnostic((), f"the spec is missing {tables}", f"a spec needs {', '.join(REQUIRED_SECTIONS)}")


def _model(model: type[Model], data: Any, path: Path, problems: Diagnostics) -> Model | None:
    """Return the typed section, or None after adding what is wrong with it to `problems`."""
    if not isinstance(data, dict):
        help_text = f"write its settings under [{path[0]}], such as {_EXAMPLES[str(path[0])]}"
        problems.append(Diagnostic(path, f"must be a table, not {show(data)}", help_text))
        return None
    known = list(model.model_fields)
    problems += (unknown_key((*path, key), f"[{path[0]}]", known) for key in data if key not in known)
    try:
        return model.model_validate({key: value for key, value in data.items() if key in known})
    except ValidationError as error:
        problems += value_problems(error, path, data, model)
        return None


def _expectations(data: dict[str, Any], problems: Diagnostics) -> Iterator[Expectation]:
    for path, table in tables_of(data, "expect"):
        if isinstance(table, dict):
            table = {key: flattened(value) if key in ("where", "beats") else value for key, value in table.items()}
        before = len(problems)
        typed = _model(ExpectTable, table, path, problems)
        if typed is not None and len(problems) == before:
            yield from expectations_of(typed, path, problems)


def _search_seed(data: dict[str, Any]) -> int:
    """Return what random sweeps are drawn with; a wrong one is reported with the other settings of `[run]`."""
    run = data.get("run")
    seed = run.get("search_seed", 0) if isinstance(run, dict) else 0
    return seed if isinstance(seed, int) else 0


def _run(data: dict[str, Any], problems: Diagnostics, seed: int) -> Alternative:
    """Return `[run]` as an alternative; a sweep's values are checked by `complete_run`."""
    table = data.get("run", {})
    if not isinstance(table, dict):
        help_text = f"write its settings under [run], such as {_EXAMPLES['run']}"
        problems.append(Diagnostic(("run",), f"must be a table, not {show(table)}", help_text))
        return Alternative("run", ("run",), "run", {})
    fixed = [key for key, value in table.items() if f"run.{key}" in NEVER_SWEPT and is_sweep(value)]
    problems += (never_swept(("run", key)) for key in fixed)
    table = {key: value for key, value in table.items() if key not in fixed}
    settings, axes = split_axes(table, ("run",), problems, seed)
    run = Alternative("run", ("run",), "run", settings, axes, written=())
    for axis in axes:
        if axis.is_open and (not axis.values or _may_be_a_list(run.with_value(axis), axis)):
            run = run.with_value(axis)
    before = len(problems)
    found = Diagnostics(problems.document)
    _model(RunSettings, run.settings, ("run",), found)
    wrong_sweeps = [axis.inside(run) for axis in run.axes if not len(axis.values)]
    problems += (p for p in found if not any(p.path[: len(sweep)] == sweep for sweep in wrong_sweeps))
    problems += (never_swept(axis.inside(run)) for axis in run.axes if f"run.{axis.key}" in NEVER_SWEPT)
    chosen = [key for key in ("epochs", "steps") if table.get(key) is not None]
    if len(chosen) != 1 and len(problems) == before and "run" in data:
        wrong = "sets both epochs and steps" if chosen else "sets neither epochs nor steps"
        inherited = [key for key in chosen if problems.document.is_inherited(("run", key))]
        unset = f'unset = ["run.{inherited[0]}"] at the top takes the inherited one away' if len(inherited) == 1 else ""
        problems.append(Diagnostic(("run",), wrong, unset or "write epochs = 20 or steps = 1000", at="key"))
    return run


def complete_run(run: Alternative, problems: Diagnostics) -> Alternative:
    """Return `[run]` with all its settings, after checking each value of its sweeps."""
    for axis in run.axes:
        for i, value in enumerate(axis.values if axis.options is None else axis.options):
            found = Diagnostics(problems.document)
            _model(RunSettings, replaced(run.settings, axis.path, value), ("run",), found)
            problems += point_at_item(found, ("run", *axis.path), axis, i)
            if found and axis.options is None:
                break
    if any(problem.path[:1] == ("run",) for problem in problems):
        return run
    axes = tuple(replace(axis, values=list(axis.values)) for axis in run.axes)
    return replace(run, settings=RunSettings.model_validate(run.settings).model_dump(), axes=axes)


def point_at_item(problems: list[Diagnostic], path: Path, axis: Axis, i: int) -> Iterator[Diagnostic]:
    """Yield problems of an axis' i-th value where that value stands, if it is listed."""
    for problem in problems:
        listed = axis.options is not None and problem.path[: len(path)] == path and i < len(axis.options)
        yield replace(problem, path=(*axis.listed_at, i, *problem.path[len(path) :])) if listed else problem


def _may_be_a_list(run: Alternative, axis: Axis) -> bool:
    """Whether the setting of an axis takes its values as a list, whatever is wrong in that."""
    try:
        RunSettings.model_validate(run.settings)
    except ValidationError as error:
        found = value_problems(error, ("run",), run.settings)
        is_list = not any(problem.path == ("run", *axis.path) for problem in found)
        return is_list and not all(_accepts(replaced(run.settings, axis.path, value)) for value in axis.values)
    return True


def _accepts(settings: dict[str, Any]) -> bool:
    try:
        RunSettings.model_validate(settings)
    except ValidationError:
        return False
    return True
