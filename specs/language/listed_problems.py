"""`[[problem]]`: tasks that are no product of sections, each read as a spec of its own.

A problem has data, a model, a loss and the settings of its training, written out or taken from the file that it
extends. What is compared on it, and on which seeds, is said once for all of them, in the spec that lists them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic, UnknownKey
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.extends import UNSET, ExtendsError, follow_from, laid_over, merged
from xprun.specs.language.identity import NOT_IDENTITY
from xprun.specs.language.result_words import STEPS_TO_TARGET
from xprun.specs.language.schema import PROBLEM_SECTION, known_sections
from xprun.specs.language.source import Source, Span
from xprun.specs.language.wording import did_you_mean, show

TASK = ("data", "model", "loss", "run", "compare")  # the sections that a problem may have
COMPARED = ("by", "baseline", "candidates", "plots")  # what of `[compare]` is said once for all problems
SEEDS = ("seeds", "search_seed")  # what of `[run]` is
LENGTHS = ("epochs", "steps")
KEYS = ("extends", UNSET, "label", "title", *TASK)
OF_ALL = ("optimizer", "scheduler", "search", "confirm", "exclude", "ablate")  # what every problem shares
MAX_PROBLEMS = 500


class SourceTable(Source):
    """A table inside a source as a source of its own: its keys stand where they stand in the file."""

    def __init__(self, whole: Source, inside: Path, data: dict[str, Any]) -> None:
        super().__init__(whole.file, whole.text, data)
        self.whole, self.inside = whole, inside

    def find(self, path: Path, at: str) -> Span | None:
        return self.whole.find((*self.inside, *path), at)


@dataclass(frozen=True)
class ListedProblem:
    """The n-th `[[problem]]`: its label, the data of the spec that it is, and their sources, the nearest first."""

    number: int
    label: str
    data: dict[str, Any]
    own: SourceTable
    bases: list[Source]


def read_problems(whole: dict[str, Any], source: Source, root: FilePath) -> Iterator[ListedProblem]:
    """Yield the problems that the data of a spec lists; tables that are none are left to `table_problems`.

    `source` is the file in which they stand, `root` the folder that no problem may reach out of.
    Raises ExtendsError for a problem whose file is not there or is no problem, and TextError for one that is no TOML.
    """
    tables = whole.get(PROBLEM_SECTION)
    for i, table in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(table, dict):
            yield _read(whole, SourceTable(source, (PROBLEM_SECTION, i), table), root, i)


def _read(whole: dict[str, Any], own: SourceTable, root: FilePath, i: int) -> ListedProblem:
    bases = list(follow_from(own, root))
    inherited = merged(bases) if bases else {}
    if PROBLEM_SECTION in inherited:
        help_text = "a list of problems is extended at the top of a spec: extends = ..."
        raise ExtendsError(own, "lists problems itself, so it is no single one", help_text)
    table = _without_shared(own.data, SEEDS)
    below = _with_length_of(table, _without_shared(inherited, NOT_IDENTITY))
    task = merged([Source(own.file, "", table), *([Source(bases[0].file, "", below)] if bases else [])])
    stem = FilePath(bases[0].file).stem if bases else ""
    label = own.data.get("label", inherited.get("name", stem) or f"problem {i + 1}")
    title = own.data.get("title", inherited.get("title", ""))
    spec = _as_spec(whole, task, [own.data, inherited]) | ({"title": title} if title else {})
    return ListedProblem(i, str(label), spec, own, bases)


def _without_shared(table: dict[str, Any], of_run: Collection[str]) -> dict[str, Any]:
    """Return what a table says of a problem itself, and not of what all of them share, `of_run` among it."""
    data = {key: value for key, value in table.items() if key in (*TASK, "extends", UNSET)}
    for section, left_out in (("run", of_run), ("compare", COMPARED)):
        if isinstance(data.get(section), dict):
            data[section] = {key: value for key, value in data[section].items() if key not in left_out}
    return data


def _with_length_of(above: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    """Return what lies below without its length, in epochs or steps, where what lies above it has one."""
    run = _table(below, "run")
    if not any(length in _table(above, "run") for length in LENGTHS) or not any(length in run for length in LENGTHS):
        return below
    unset = above.get(UNSET, ())
    return {**below, "run": {key: run[key] for key in run if key not in LENGTHS or f"run.{key}" in unset}}


def _as_spec(whole: dict[str, Any], task: dict[str, Any], own: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a problem as a spec: its settings over those of the spec that lists it, and what all problems share.

    `own` is what is said of it, the nearest first: of targets, which name one metric, the first is the one.
    """
    defaults = _with_length_of(task, {section: whole[section] for section in TASK if section in whole})
    asked = _table(whole, "compare").get("metric")
    data = laid_over(defaults, {section: task[section] for section in TASK if section in task})
    targets = [table["target"] for table in (_table(said, "compare") for said in own) if "target" in table]
    if targets and isinstance(data.get("compare"), dict):
        data["compare"] = {**data["compare"], "target": targets[0]}
    if asked == STEPS_TO_TARGET and isinstance(data.get("compare"), dict):
        data["compare"] = _by_time(data["compare"])
    return data | {section: whole[section] for section in OF_ALL if section in whole}


def _by_time(compare: dict[str, Any]) -> dict[str, Any]:
    """Return `[compare]` of a problem by the steps to its target, which is then of the metric that it names."""
    target, metric = compare.get("target"), compare.get("metric")
    is_plain = isinstance(target, int | float) and isinstance(metric, str) and metric != STEPS_TO_TARGET
    kept = {key: value for key, value in compare.items() if key not in ("goal", "at")}
    return kept | {"metric": STEPS_TO_TARGET} | ({"target": {metric: target}} if is_plain else {})


def _table(data: dict[str, Any], section: str) -> dict[str, Any]:
    found = data.get(section)
    return found if isinstance(found, dict) else {}


def table_problems(data: dict[str, Any]) -> Iterator[Diagnostic]:
    """Yield what is wrong with how the problems of a spec are written, and not with what they say."""
    tables = data.get(PROBLEM_SECTION)
    help_text = f'write [[{PROBLEM_SECTION}]] once for each, with extends = "FILE" or a [data], [model] and [loss]'
    if not isinstance(tables, list):
        yield Diagnostic((PROBLEM_SECTION,), f"must be a list of tables, not {show(tables)}", help_text)
        return
    if not tables:
        yield Diagnostic((PROBLEM_SECTION,), "lists no problems", help_text)
    if len(tables) > MAX_PROBLEMS:
        yield Diagnostic((PROBLEM_SECTION,), f"there are more than {MAX_PROBLEMS} problems")
    for i, table in enumerate(tables):
        path: Path = (PROBLEM_SECTION, i)
        if isinstance(table, dict):
            yield from _key_problems(table, path)
        else:
            yield Diagnostic(path, f"must be a table, not {show(table)}", help_text)


def _key_problems(table: dict[str, Any], path: Path) -> Iterator[Diagnostic]:
    for key in table:
        if key in OF_ALL:
            help_text = f"every problem has the same: write it at the top of the spec ({_header(key)})"
            yield Diagnostic((*path, key), f"is no part of a problem: {_why_of_all(key)}", help_text, "key")
        elif key not in KEYS:
            near = did_you_mean(key, KEYS)
            at_top = "; it stands at the top of the spec" if key in known_sections() else ""
            message = f"a problem has no such key{near or at_top}"
            yield UnknownKey((*path, key), message, f"it has {', '.join(KEYS)}", "key", has_near=bool(near))
    label = table.get("label", "-")
    if not isinstance(label, str) or not label:
        yield Diagnostic((*path, "label"), f"must be a string, not {show(label)}", 'write label = "digits, MLP"')
    for section, said_once in (("run", SEEDS), ("compare", COMPARED)):
        for key in said_once:
            if key in _table(table, section):
                help_text = f"write it under [{section}] of the spec"
                yield Diagnostic((*path, section, key), "is the same on every problem", help_text, "key")


def several_problems(data: dict[str, Any]) -> Iterator[Diagnostic]:
    """Yield the sections of a problem that have several alternatives: it is one task."""
    for section in ("data", "model", "loss"):
        written = data.get(section)
        if isinstance(written, list) and len(written) > 1:
            message = f"has {len(written)} alternatives, and a problem has one"
            yield Diagnostic((section,), message, f"write a [[{PROBLEM_SECTION}]] for each", "key")


def _header(key: str) -> str:
    return f"[[{key}]]" if key in ("optimizer", "exclude") else f"[{key}]"


def _why_of_all(key: str) -> str:
    return "it is compared on all of them" if key in ("optimizer", "scheduler") else "it is about all of them"


def label_problems(labels: Sequence[str]) -> Iterator[Diagnostic]:
    """Yield labels that two problems have."""
    for i, label in enumerate(labels):
        if label in labels[:i]:
            message = f"two problems are called {show(label)}"
            yield Diagnostic((PROBLEM_SECTION, i), message, 'give each a label of its own: label = "..."', "key")
