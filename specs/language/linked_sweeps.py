"""Axes that move together: sweeps with one tag, in whatever sections, take their values in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from xprun.specs.language.alternatives import DRAWN_TOGETHER, Alternative, Axis
from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.document import Document
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.wording import did_you_mean, quoted

Tagged = tuple[Alternative, Axis]
MOST_COMPARED = 100  # sweeps of one tag


def together_problems(alternatives: Sequence[Alternative], document: Document) -> Iterator[Diagnostic]:
    """Yield a problem for sweeps that move together and differ in length, and for tags that stand alone."""
    by_tag: dict[str, list[Tagged]] = {}
    for alternative in alternatives:
        for axis in alternative.axes:
            if axis.tag is not None:
                by_tag.setdefault(axis.tag, []).append((alternative, axis))
    for tag, tagged in by_tag.items():
        pairs = [pair for pair in combinations(tagged[:MOST_COMPARED], 2) if _meet(*pair)]
        yield from _length_problems(pairs, document)
        if not pairs and not any(axis.is_random for _, axis in tagged):
            others = [other for other in by_tag if other not in (tag, DRAWN_TOGETHER)]
            message = f"no other sweep has the tag {quoted(tag)}{did_you_mean(tag, others)}"
            help_text = "sweeps with the same tag move together; a single sweep needs no tag"
            yield from (Diagnostic((*_path(one), "with"), message, help_text) for one in tagged)


def _length_problems(pairs: Sequence[tuple[Tagged, Tagged]], document: Document) -> Iterator[Diagnostic]:
    for one, other in pairs:
        lengths = len(one[1].values), len(other[1].values)
        if lengths[0] != lengths[1] and 0 not in lengths:
            place = document.place(_path(one)).name
            reason = _reason(one[1])
            message = f"has {lengths[1]:,} values, but {dotted(_path(one))} ({place}) has {lengths[0]:,}, and {reason}"
            yield Diagnostic(_path(other), message, _cure(one[1]))


def _reason(axis: Axis) -> str:
    return "random sweeps are drawn together" if axis.tag == DRAWN_TOGETHER else f"both have the tag {quoted(axis.tag)}"


def _cure(axis: Axis) -> str:
    if axis.tag == DRAWN_TOGETHER:
        return 'draw the same number of samples, or give one sweep its own tag: with = "other"'
    return "sweeps that move together need equally many values"


def _path(tagged: Tagged) -> Path:
    alternative, axis = tagged
    return (*alternative.path, *axis.path)


def _meet(one: Tagged, other: Tagged) -> bool:
    """Whether a run has both axes: it has one alternative of each section."""
    return one[0].section != other[0].section or one[0].path == other[0].path
