"""`[confirm]`: the fresh seeds of the second stage, and how many runs it is before anybody knows what is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from xprun.specs.language.alternatives import Alternative
from xprun.specs.language.comparison import cells_of, compared
from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.expansion import Combination, combinations
from xprun.specs.language.identity import NOT_IDENTITY
from xprun.specs.language.parser import Spec
from xprun.specs.language.repeats import compared_axes, is_repeat, without_repeats
from xprun.specs.language.schema import RunSettings
from xprun.specs.language.source import MAX_INTEGER


def search_seeds(spec: Spec) -> list[Sequence[int]]:
    """Return the seeds of the search of a spec whose `[run]` is right; several lists where they are swept."""
    swept = [value for axis in spec.run.axes if axis.path == ("seeds",) for value in axis.values]
    values = swept or [spec.run.settings.get("seeds", 1)]
    return [RunSettings.model_validate({"seeds": value}).seed_list for value in values]


def fresh_seeds(spec: Spec) -> Sequence[int]:
    """Return the seeds of the second stage: as written, or those after the largest of the search. None: no stage."""
    if spec.confirm is None:
        return ()
    if isinstance(spec.confirm.seeds, list):
        return spec.confirm.seeds
    first = 1 + max(max(seeds) for seeds in search_seeds(spec))
    return range(first, first + spec.confirm.seeds)


def confirm_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield the seeds of `[confirm]` that are not fresh, or are no seeds any more."""
    place = ("confirm", "seeds")
    fresh = fresh_seeds(spec)
    if isinstance(fresh, range):
        if fresh and fresh[-1] >= MAX_INTEGER:
            yield Diagnostic(place, f"there are no {len(fresh):,} seeds after the largest of run.seeds", "list them")
        return
    searched = search_seeds(spec)
    for i, seed in enumerate(fresh):
        if any(seed in seeds for seeds in searched):
            message = f"{seed} is one of run.seeds, on which the settings are chosen"
            yield Diagnostic((*place, i), message, "fresh seeds are others; seeds = 10 takes the ten after run.seeds")


def count_confirmation(spec: Spec) -> int:
    """Return at most how many runs the second stage is, without making any: one setting an alternative and problem."""
    if spec.confirm is None:
        return 0
    if spec.listed:
        return sum(map(count_confirmation, spec.listed))
    seeds = spec.confirm.seeds
    changed = [ablation for ablation in spec.ablations if ablation.section != "run"]
    variants = [spec, *(spec.changed_by(ablation) for ablation in changed)]
    by, _ = compared(spec)
    sizes = [[sum(_confirmed(a, by) for a in section) for section in v.sections.values()] for v in variants]
    number = sum(map(math.prod, sizes)) * _confirmed(spec.run, by)
    return number * (len(seeds) if isinstance(seeds, list) else seeds)


def _confirmed(alternative: Alternative, by: Sequence[str]) -> int:
    """Return how many settings of an alternative are confirmed: one at each value of those that are compared."""
    axes = [axis for axis in alternative.axes if dotted((alternative.section, *axis.path)) in by]
    return _repeats(alternative) * math.prod({axis.tag or axis.path: len(axis.values) for axis in axes}.values())


def _repeats(alternative: Alternative) -> int:
    """Return how often the data of one setting are drawn."""
    axes = [axis for axis in alternative.axes if is_repeat(alternative.section, axis.path)]
    return math.prod({axis.tag or axis.path: len(axis.values) for axis in axes}.values())


def repeats_of(spec: Spec) -> int:
    """Return how often each setting is repeated beside its seeds; the least number, where data sets differ."""
    return min(map(_repeats, spec.sections["data"]), default=1)


def chooses(spec: Spec) -> bool:
    """Whether an alternative of a resolved spec has several settings on a problem, of which one is chosen."""
    if spec.listed:
        return any(map(chooses, spec.listed))
    if spec.exclusions:
        return _choose(combinations(spec), compared(spec)[0])
    by, _ = compared(spec)
    swept = any(
        len(axis.values) > 1 and _matters(alternative, axis.key)
        for alternative in spec.alternatives
        for axis in compared_axes(alternative)
        if dotted((alternative.section, *axis.path)) not in by
    )
    return swept or any(ablation.section == "run" for ablation in spec.ablations)


def _choose(found: Iterator[Combination], by: Sequence[str]) -> bool:
    settings: dict[tuple[str, ...], str] = {}
    for combination in found:
        values = [str(cells_of(section, choice, by)) for section, choice in combination.items()]
        labels = (*(choice.label for choice in combination.values()), *values)
        setting = "\n".join(without_repeats(choice).identity for choice in combination.values())
        if settings.setdefault(labels, setting) != setting:
            return True
    return False


def _matters(alternative: Alternative, key: str) -> bool:
    """Whether a setting can change a result: runs that differ in others are the same."""
    return key not in (NOT_IDENTITY if alternative.section == "run" else alternative.cache_neutral)
