"""Expansion: a spec's alternatives and axes become frozen runs, counted before they are made."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, product
from operator import itemgetter
from typing import Any

from xprun.specs.language.alternatives import Alternative
from xprun.specs.language.dotted_paths import Path, at, dotted, parse_dotted, replaced
from xprun.specs.language.identity import identity_of
from xprun.specs.language.parser import Spec
from xprun.specs.language.schema import RunSettings

PLAIN = (bool, int, float, str)


def cell(value: Any) -> Any:
    """Return a setting as a table holds it: a list or table as JSON."""
    return value if isinstance(value, PLAIN) else json.dumps(value)


@dataclass(frozen=True)
class Choice:
    """One alternative with every setting decided. `swept` holds the values that tables show as differing."""

    alternative: Alternative
    settings: dict[str, Any]
    swept: dict[Path, Any]

    @property
    def name(self) -> str:
        return self.alternative.name

    @property
    def label(self) -> str:
        return self.alternative.label or self.alternative.name

    @property
    def framework(self) -> Mapping[str, str]:
        """Of `[run]`: what the backend is made of, hashes and versions by name; nothing for torch."""
        return self.alternative.frameworks.get(self.settings.get("backend", ""), {})

    @property
    def untold(self) -> dict[Path, Any]:
        """What of `swept` the label does not tell already."""
        return {path: value for path, value in self.swept.items() if path not in self.alternative.told}

    @cached_property
    def notes(self) -> dict[str, str]:
        """What others have made of the choice, by a name of theirs: a choice is part of many runs."""
        return {}

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The dotted settings that the spec writes or sweeps, as tables hold them."""
        section, settings = self.alternative.section, self.settings
        plain = {
            dotted((section, key)): settings[key]
            for key in self.alternative.written
            if isinstance(settings[key], PLAIN)
        }
        return plain | {dotted((section, *path)): cell(value) for path, value in self.swept.items()}

    @cached_property
    def identity(self) -> str:
        """What decides the choice's results, as canonical text: the same for the same settings in any order."""
        neutral, absent = self.alternative.cache_neutral, self.alternative.absent_by_default
        settings = {
            key: list(value.items()) if key in self.alternative.ordered else value
            for key, value in self.settings.items()
            if key not in neutral and not (key in absent and value == absent[key])
        }
        content = [self.alternative.section, self.name, self.alternative.fingerprint, settings]
        return json.dumps(content, sort_keys=True, default=str)


@dataclass(frozen=True)
class Run:
    """One training run: a choice for each section, run settings, a seed and the id that they give.

    `problem` is the label of the problem that it is of, where a spec lists some; no id depends on it.
    """

    choices: dict[str, Choice]
    settings: RunSettings
    run_choice: Choice
    seed: int
    id: str
    problem: str = ""

    @property
    def variant(self) -> str:
        """What tells a run from the others of its seed that train the same model on the same data, as text."""
        choices = [self.choices[section].identity for section in VARIED if section in self.choices]
        return "\n".join([*choices, *(f"{name} {value}" for name, value in self.settings.own_numbers.items())])


def apart_from_seeds(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield the first of each stretch of runs that differ in their seeds only, as they do in a grid."""
    latest: Run | None = None
    for run in runs:
        if latest is None or run.choices is not latest.choices or run.run_choice is not latest.run_choice:
            latest = run
            yield run


VARIED = ("optimizer", "scheduler")  # the sections that say how a model is trained, and not what is trained

MOST_COUNTED = 1_000_000  # combinations of alternatives; of more, moving together is not looked at
Combination = dict[str, Choice]  # of every section, and of "run"


def count_runs(spec: Spec) -> int:
    """Return how many runs a spec stands for; without making them, unless it excludes some."""
    if spec.exclusions:
        return sum(_seeds(combination) for combination in combinations(spec))
    return count_grid(spec)


def count_grid(spec: Spec) -> int:
    """Return how many runs a spec stands for before any is excluded, without making them."""
    return sum(_count(variant) for variant in spec.variants())


def expand(spec: Spec, salt: str = "") -> list[Run]:
    """Return all runs of a spec, in the order of the file: sections outer, seeds innermost, ablations last.

    `salt` is what else decides results and does not stand in the spec, such as the kind of device.
    """
    if spec.listed:
        return [run for part in spec.listed for run in expand(part, salt)]
    runs = []
    for run_choice, group in groupby(combinations(spec), key=itemgetter("run")):
        settings = RunSettings.model_validate(run_choice.settings)
        common = _common(settings, run_choice, salt)
        for combination in group:
            choices = {section: choice for section, choice in combination.items() if section != "run"}
            identity = _hash(common, choices)
            ids = {seed: _id(identity, seed) for seed in settings.seed_list}
            runs += [Run(choices, settings, run_choice, seed, run, spec.problem) for seed, run in ids.items()]
    return runs


def with_seeds(run: Run, seeds: Iterable[int], salt: str = "") -> list[Run]:
    """Return a run with other seeds; their ids are those that `expand` gives them, with the same salt."""
    identity = _hash(_common(run.settings, run.run_choice, salt), run.choices)
    return [replace(run, seed=seed, id=_id(identity, seed)) for seed in seeds]


def with_values(runs: Iterable[Run], values: Mapping[str, Any], salt: str = "") -> list[Run]:
    """Return runs with other values of settings that they have, by dotted names; their ids are those of `expand`."""
    paths = {parse_dotted(name) or (): value for name, value in values.items()}
    made: dict[int, Choice] = {}
    typed: dict[int, RunSettings] = {}

    def changed(choice: Choice) -> Choice:
        if id(choice) not in made:  # once, however many runs it is part of
            own = {path[1:]: value for path, value in paths.items() if path[0] == choice.alternative.section}
            made[id(choice)] = _changed(choice, own) if own else choice
        return made[id(choice)]

    found = []
    for run in runs:
        choices = {section: changed(choice) for section, choice in run.choices.items()}
        run_choice = changed(run.run_choice)
        if id(run_choice) not in typed:
            typed[id(run_choice)] = RunSettings.model_validate(run_choice.settings)
        settings = typed[id(run_choice)]
        identity = _hash(_common(settings, run_choice, salt), choices)
        found.append(Run(choices, settings, run_choice, run.seed, _id(identity, run.seed), run.problem))
    return found


def _changed(choice: Choice, values: dict[Path, Any]) -> Choice:
    settings = choice.settings
    for path, value in values.items():
        settings = replaced(settings, path, value)
    return replace(choice, settings=settings, swept={path: values.get(path, old) for path, old in choice.swept.items()})


def _common(settings: RunSettings, run_choice: Choice, salt: str) -> str:
    framework = "".join(f"{digest} {name}" for name, digest in run_choice.framework.items())
    return identity_of(settings) + run_choice.alternative.fingerprint + framework + salt


def _hash(common: str, choices: dict[str, Choice]) -> Any:
    return hashlib.sha256("\n".join([common, *(c.identity for c in choices.values())]).encode())


def combinations(spec: Spec) -> Iterator[Combination]:
    """Yield every combination of settings that a spec stands for and does not exclude."""
    for part in spec.parts:
        for combination in all_combinations(part):
            if not any(exclusion.matches(combination) for exclusion in part.exclusions):
                yield combination


def all_combinations(spec: Spec) -> Iterator[Combination]:
    """Yield every combination of settings, the excluded ones, too."""
    for variant in spec.variants():
        sections = [("run", (variant.run,)), *variant.sections.items()]
        yield from _combine(sections, {}, _Choices())


def _combine(
    sections: list[tuple[str, tuple[Alternative, ...]]], bound: dict[str, int], choices: _Choices
) -> Iterator[Combination]:
    """Yield the combinations of some sections; `bound` holds the position of each tag that an outer section moved."""
    if not sections:
        yield {}
        return
    (name, alternatives), *inner = sections
    for alternative in alternatives:
        for choice, moved in choices.of(alternative, bound):
            for rest in _combine(inner, {**bound, **moved}, choices):
                yield {name: choice, **rest}


class _Choices:
    """Makes each choice once, however many combinations it is part of."""

    def __init__(self) -> None:
        self._made: dict[Any, list[tuple[Choice, dict[str, int]]]] = {}

    def of(self, alternative: Alternative, bound: dict[str, int]) -> list[tuple[Choice, dict[str, int]]]:
        """Return the choices of an alternative with the positions of their tags, some of which are bound."""
        held = {axis.tag: bound[axis.tag] for axis in alternative.axes if axis.tag is not None and axis.tag in bound}
        key = (alternative.path, *held.items())
        if key not in self._made:
            self._made[key] = list(_choices(alternative, held))
        return self._made[key]


def choices_of(alternative: Alternative) -> Iterator[Choice]:
    """Yield every combination of an alternative's own sweeps, in the order of the file."""
    return (choice for choice, _ in _choices(alternative, {}))


def _choices(alternative: Alternative, held: dict[str, int]) -> Iterator[tuple[Choice, dict[str, int]]]:
    lengths: dict[Any, int] = {}  # of what moves by itself: a tag, or an axis without one
    for axis in alternative.axes:
        lengths.setdefault(axis.tag or axis.path, len(axis.values))
    ranges = [[held[mover]] if mover in held else range(length) for mover, length in lengths.items()]
    for positions in product(*ranges):
        at_position = dict(zip(lengths, positions, strict=True))
        moved = {mover: i for mover, i in at_position.items() if isinstance(mover, str)}
        values = {axis.path: axis.values[at_position[axis.tag or axis.path]] for axis in alternative.axes}
        yield _choice(alternative, values), moved


def _choice(alternative: Alternative, values: dict[Path, Any]) -> Choice:
    settings = alternative.settings
    for path, value in values.items():
        settings = replaced(settings, path, value)
    shown = ((path, _value_at(settings, path)) for path in alternative.shown)
    return Choice(alternative, settings, {path: value for path, value in shown if value is not None} | values)


def _value_at(settings: dict[str, Any], path: Path) -> Any:
    """Return what stands at a path that an ablation changes; None where there is nothing but in the changed ones."""
    try:
        return at(settings, path)
    except LookupError:
        pass
    *home, last = path
    try:  # a component that is written as its mere name
        return value if last == "name" and isinstance(value := at(settings, tuple(home)), str) else None
    except LookupError:
        return None


def _count(spec: Spec) -> int:
    """Return the number of runs of one variant: lengths multiply, those of axes that move together once."""
    sections = [(spec.run,), *spec.sections.values()]
    seeds = spec.run.settings.get("seeds", 1)  # not yet checked
    number = seeds if isinstance(seeds, int) else len(seeds) if isinstance(seeds, list) else 1
    tagged = any(axis.tag for alternative in spec.alternatives for axis in alternative.axes)
    if tagged and math.prod(map(len, sections)) <= MOST_COUNTED:
        return number * _count_together(sections, frozenset())
    return number * math.prod(sum(_count_alternative(a, frozenset()) for a in section) for section in sections)


def _count_together(sections: list[tuple[Alternative, ...]], bound: frozenset[str]) -> int:
    if not sections:
        return 1
    head, *inner = sections
    return sum(_count_alternative(a, bound) * _count_together(inner, bound | _tags(a)) for a in head)


def _count_alternative(alternative: Alternative, bound: frozenset[str]) -> int:
    movers = {axis.tag or axis.path: len(axis.values) for axis in alternative.axes if axis.tag not in bound}
    return math.prod(movers.values())


def _tags(alternative: Alternative) -> frozenset[str]:
    return frozenset(axis.tag for axis in alternative.axes if axis.tag)


def _seeds(combination: Combination) -> int:
    return len(RunSettings.model_validate(combination["run"].settings).seed_list)


def _id(identity: Any, seed: int) -> str:
    digest = identity.copy()
    digest.update(f"\nseed {seed}".encode())
    return str(digest.hexdigest()[:12])
