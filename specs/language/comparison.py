"""What a spec compares, and on which problems: sections whose alternatives are ranked, or settings that are swept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from xprun.specs.language.alternatives import Alternative
from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.expansion import VARIED, Choice, choices_of
from xprun.specs.language.identity import NOT_IDENTITY
from xprun.specs.language.parser import Spec
from xprun.specs.language.repeats import is_repeat
from xprun.specs.language.result_words import PROBLEM, alternative_label

MOST_VALUES = 12  # combinations of swept settings that are compared without being asked for


def compared(spec: Spec) -> tuple[list[str], list[str]]:
    """Return the sections whose alternatives, and the dotted settings whose values, are compared; and the problems.

    `compare.by` names the first. Left out, they are all sections that have alternatives or are ablated; but several
    data sets are problems where anything else is compared. Where no section has any, they are the swept settings.
    Problems are the other sections that have alternatives; or those that the spec lists, on each of which the same is
    compared.
    """
    if spec.listed:
        return compared(spec.listed[0])[0], [PROBLEM]
    changed = {ablation.section for ablation in spec.ablations}
    several = [s for s, alternatives in spec.sections.items() if len(alternatives) > 1 or s in changed]
    others = [section for section in several if section != "data" or section in changed]
    stated = [spec.compare.by] if isinstance(spec.compare.by, str) else spec.compare.by
    by = stated or others or several or _swept_values(spec) or ["optimizer"]
    return by, [section for section in several if section not in by]


def compared_labels(spec: Spec) -> list[str]:
    """Return the label of each alternative that is compared: `large · SGD` where two sections are, or `hidden=32`."""
    by, _ = compared(spec)
    involved = list(dict.fromkeys(name.partition(".")[0] for name in by))
    labels = (
        alternative_label({name: cell for part in parts for name, cell in part.items()}, by)
        for variant in spec.variants()
        for parts in product(*(_parts(variant, section, by) for section in involved))
    )
    return list(dict.fromkeys(labels))


def _parts(spec: Spec, section: str, by: Sequence[str]) -> list[dict[str, Any]]:
    """Return what each alternative of a section, at each value of the settings that are compared, has in a label."""
    found: dict[str, dict[str, Any]] = {}
    for alternative in (spec.run,) if section == "run" else spec.sections[section]:
        axes = tuple(axis for axis in alternative.axes if dotted((section, *axis.path)) in by)
        for choice in choices_of(replace(alternative, axes=axes)):
            part = {section: choice.label, **cells_of(section, choice, by)}
            found.setdefault(repr(part), part)
    return list(found.values())


def cells_of(section: str, choice: Choice, by: Iterable[str]) -> Mapping[str, Any]:
    """Return the values of a choice in those of the dotted settings that tables show of it."""
    shown = {dotted((section, *path)): value for path, value in choice.swept.items()}
    return {name: shown[name] for name in by if name in shown}


def _swept_values(spec: Spec) -> list[str]:
    """Return the swept settings that are compared where no section has alternatives: those whose values are listed.

    A random search, and a search that is confirmed, look for a setting; so do sweeps over many values.
    """
    if spec.confirm is not None:
        return []
    found, number = [], 1
    varied = {name: several for name, several in spec.sections.items() if not spec.problem or name in VARIED}
    for alternative in (*(a for several in varied.values() for a in several), *(() if spec.problem else (spec.run,))):
        axes = [axis for axis in alternative.axes if not axis.is_random and _tells(alternative, axis.key, axis.path)]
        found += [dotted((alternative.section, *axis.path)) for axis in axes]
        number *= math.prod({axis.tag or axis.path: len(axis.values) for axis in axes}.values())
    return found if 1 < number <= MOST_VALUES else []


def _tells(alternative: Alternative, key: str, path: tuple[Any, ...]) -> bool:
    """Whether a sweep is over a setting that can change a result, and not over what repeats it."""
    neutral = NOT_IDENTITY if alternative.section == "run" else alternative.cache_neutral
    return key not in neutral and not is_repeat(alternative.section, path)


def linked_settings(spec: Spec) -> list[list[str]]:
    """Return the groups of dotted settings whose values move together: draws, and sweeps with one tag."""
    groups: dict[str, dict[str, None]] = {}
    for variant in spec.variants():
        for section, alternatives in {**variant.sections, "run": (variant.run,)}.items():
            for axis in (axis for alternative in alternatives for axis in alternative.axes if axis.tag):
                groups.setdefault(str(axis.tag), {})[dotted((section, *axis.path))] = None
    return [list(group) for group in groups.values() if len(group) > 1]


def swept_settings(spec: Spec) -> list[str]:
    """Return the dotted settings in which the alternatives of a spec have several values, or are ablated.

    Those that only repeat a setting, as `data.split_seed` does, are none of them.
    """
    swept = [
        dotted((section, *path))
        for variant in spec.variants()
        for section, alternatives in {**variant.sections, "run": (variant.run,)}.items()
        for alternative in alternatives
        for path in (*(axis.path for axis in alternative.axes), *alternative.shown)
        if not is_repeat(section, path)
    ]
    return list(dict.fromkeys(swept))
