"""What a spec compares, and on which problems: sections whose alternatives are ranked, and those they are tried on."""

from __future__ import annotations

from itertools import product

from xprun.specs.language.parser import Spec

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
