"""What a spec compares, and on which problems: the sections whose alternatives are ranked, and the settings swept."""

from __future__ import annotations

from itertools import product

from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.parser import Spec
from xprun.specs.language.repeats import is_repeat

BETWEEN = " · "  # labels of an alternative that several sections make


def compared_sections(spec: Spec) -> tuple[list[str], list[str]]:
    """Return the sections whose alternatives are compared, and those whose alternatives are problems.

    `compare.by` names the first. Left out, they are all that have alternatives or are ablated; but several data sets
    are problems where anything else is compared. Diagnostics are the other sections that have alternatives.
    """
    changed = {ablation.section for ablation in spec.ablations}
    several = [s for s, alternatives in spec.sections.items() if len(alternatives) > 1 or s in changed]
    others = [section for section in several if section != "data" or section in changed]
    stated = [spec.compare.by] if isinstance(spec.compare.by, str) else spec.compare.by
    by = stated or others or several or ["optimizer"]
    return by, [section for section in several if section not in by]


def compared_labels(spec: Spec) -> list[str]:
    """Return the label of each alternative that is compared: `large · SGD` where two sections are."""
    by, _ = compared_sections(spec)
    return list(
        dict.fromkeys(
            BETWEEN.join(labels)
            for variant in spec.variants()
            for labels in product(*([a.label or a.name for a in variant.sections[section]] for section in by))
        )
    )


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
