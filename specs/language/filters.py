"""`[[exclude]]`: combinations that a grid leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from xprun.specs.language.alternatives import tables_of
from xprun.specs.language.diagnostics import Diagnostic, Diagnostics
from xprun.specs.language.dotted_paths import Path, at, dotted, parse_dotted
from xprun.specs.language.follow_ons import concluded_from
from xprun.specs.language.matching import alternatives_of, fits
from xprun.specs.language.result_words import PROBLEM
from xprun.specs.language.schema import COMPONENT_SECTIONS
from xprun.specs.language.sweeps import is_sweep
from xprun.specs.language.wording import did_you_mean, listed, quoted, show

MAX_EXCLUSIONS = 100
SECTIONS = (*COMPONENT_SECTIONS, "run")


class Chosen(Protocol):
    """What fills a section of one combination."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Condition:
    """One key of an exclusion: a section by name or label (`setting` is empty), or the value of a setting."""

    path: Path  # in the document
    section: str
    setting: Path
    value: Any

    def holds(self, chosen: Mapping[str, Chosen]) -> bool:
        """Whether a combination fulfils it; a list in the spec means any of its values."""
        choice = chosen[self.section]
        if not self.setting:
            return fits(choice.name, self.value) or fits(choice.label, self.value)
        try:
            found = at(choice.settings, self.setting)
        except LookupError:
            return False
        return fits(found, self.value)


@dataclass(frozen=True)
class Exclusion:
    """One `[[exclude]]`: a combination that fulfils all conditions is left out."""

    path: Path
    conditions: tuple[Condition, ...]

    def matches(self, chosen: Mapping[str, Chosen]) -> bool:
        return all(condition.holds(chosen) for condition in self.conditions)


def read_exclusions(data: dict[str, Any], problems: Diagnostics, label: str = "") -> Iterator[Exclusion]:
    """Yield the exclusions of a spec, or of the problem of that label, from which `problem = "..."` may keep one."""
    written = data.get("exclude", [])
    if written == [] and "exclude" in data:
        problems.append(Diagnostic(("exclude",), "excludes nothing"))
    if isinstance(written, list) and len(written) > MAX_EXCLUSIONS:
        problems.append(Diagnostic(("exclude",), f"there are more than {MAX_EXCLUSIONS} exclusions"))
        return
    for path, table in tables_of(data, "exclude"):
        if not isinstance(table, dict) or not table:
            problems.append(Diagnostic(path, f'must be a table such as {{ "optimizer.lr" = 1.0 }}, not {show(table)}'))
            continue
        if label and PROBLEM in table:
            if not fits(label, table[PROBLEM]):
                continue
            table = {key: value for key, value in table.items() if key != PROBLEM}
        conditions = [c for key, at_, value in flattened(table, path) for c in _condition(key, at_, value, problems)]
        yield Exclusion(path, tuple(conditions))


def flattened(table: dict[str, Any], path: Path) -> Iterator[tuple[str, Path, Any]]:
    """Yield (dotted key, path in the document, value): `optimizer.lr = 1` is meant as `"optimizer.lr" = 1` is."""
    for key, value in table.items():
        if key in SECTIONS and isinstance(value, dict) and value:
            yield from ((dotted((key, inner)), (*path, key, inner), leaf) for inner, leaf in value.items())
        else:
            yield key, (*path, key), value


def read_key(key: str, path: Path, problems: Diagnostics) -> Path | None:
    """Return the path that a dotted key such as `optimizer.lr` names, or None after adding what is wrong with it."""
    found = parse_dotted(key)
    if found is None:
        problems.append(Diagnostic(path, "is not a dotted key", 'write for example "optimizer.lr" = 1.0', "key"))
    elif found[0] not in SECTIONS:
        message = f"there is no section {quoted(found[0])}{did_you_mean(str(found[0]), SECTIONS)}"
        problems.append(Diagnostic(path, message, f"a key starts with {', '.join(SECTIONS)}", "key"))
        found = None
    return found


def _condition(key: str, path: Path, value: Any, problems: Diagnostics) -> Iterator[Condition]:
    found = read_key(key, path, problems)
    if found is None:
        return
    if isinstance(value, dict):
        help_text = "a list matches any of its values: [0.1, 0.2]" if is_sweep(value) else ""
        problems.append(Diagnostic(path, f"must be a value, or a list of values, not {show(value)}", help_text))
    elif len(found) == 1 and not all(isinstance(one, str) for one in alternatives_of(value)):
        problems.append(Diagnostic(path, f"must be the name or label of an alternative, not {show(value)}"))
    elif found == ("run",):
        problems.append(Diagnostic(path, 'must name a setting of [run], such as "run.epochs"', at="key"))
    else:
        yield Condition(path, str(found[0]), found[1:], value)


def unknown_problems(data: dict[str, Any], labels: list[str]) -> Iterator[Diagnostic]:
    """Yield the problems that an exclusion names and the spec does not list."""
    for path, table in tables_of(data, "exclude"):
        wanted = alternatives_of(table[PROBLEM]) if isinstance(table, dict) and PROBLEM in table else []
        for unknown in [one for one in wanted if one not in labels]:
            near = did_you_mean(unknown, labels) if isinstance(unknown, str) else ""
            message = f"no problem is called {show(unknown)}{near}"
            yield Diagnostic((*path, PROBLEM), message, f"there are {listed(str(unknown), labels)}")


def unknown_conditions(exclusion: Exclusion, among: Mapping[str, list[Any]]) -> Iterator[Diagnostic]:
    """Yield a problem for each condition that names nothing in the spec, a section having the alternatives `among`."""
    for condition in exclusion.conditions:
        yield from concluded_from(_unknown(condition, among.get(condition.section, [])), (condition.section,))


def _unknown(condition: Condition, alternatives: list[Any]) -> Iterator[Diagnostic]:
    if condition.setting:
        yield from _unknown_setting(condition, alternatives)
    else:
        labels = list(dict.fromkeys(text for a in alternatives for text in (a.label or a.name, a.name)))
        for unknown in [one for one in alternatives_of(condition.value) if one not in labels]:
            near = did_you_mean(unknown, labels)
            message = f"no {condition.section} has the name or label {quoted(unknown)}{near}"
            yield Diagnostic(condition.path, message, f"there are {listed(unknown, labels)}")


def _unknown_setting(condition: Condition, alternatives: list[Any]) -> Iterator[Diagnostic]:
    known = sorted({dotted((condition.section, key)) for a in alternatives for key in a.settings})
    key = dotted((condition.section, condition.setting[0]))
    if key not in known:
        message = f"no {condition.section} of this spec has such a setting{did_you_mean(key, known)}"
        yield Diagnostic(condition.path, message, f"the settings are {listed(key, known)}", "key")


def exclusion_problems(
    exclusions: tuple[Exclusion, ...], combinations: Iterable[Mapping[str, Chosen]]
) -> Iterator[Diagnostic]:
    """Yield a problem for each exclusion that no combination of a grid matches, and one when nothing is left."""
    if not exclusions:
        return
    unused, left = list(exclusions), 0
    for combination in combinations:
        matching = [exclusion for exclusion in exclusions if exclusion.matches(combination)]
        unused = [exclusion for exclusion in unused if exclusion not in matching]
        left += not matching
    help_text = "each of its keys alone may match; all of them together must: remove it, or one of its keys"
    message = "matches no combination of the grid, so it excludes nothing"
    yield from (Diagnostic(e.path, message, help_text, "key") for e in unused)
    if not left:
        help_text = "remove one of the exclusions, or add a key to it: all keys must match"
        yield Diagnostic(exclusions[0].path, "the exclusions leave no runs", help_text, "key")
