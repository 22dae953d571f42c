"""Checks of `[search]` against what it searches: sweeps that it can draw from, and runs long enough to be cut short."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from xprun.plugins.registry import Registry
from xprun.plugins.signature import positional_names
from xprun.runner.resolve.ineffective_settings import Idle
from xprun.specs import Alternative, Diagnostic, Spec
from xprun.specs.language.alternatives import Axis
from xprun.specs.language.comparison import compared
from xprun.specs.language.confirmation import chooses
from xprun.specs.language.repeats import searched_axes
from xprun.specs.language.searches import SEARCH_SECTION

HERE = (SEARCH_SECTION,)
LENGTHS = ("steps", "epochs")


def search_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield why the search of a resolved spec cannot be, or has nothing to do."""
    if spec.search is None or spec.search.starts is None:
        return
    if not chooses(spec):
        yield Idle(HERE, "has no effect, because there is one setting of each alternative", "sweep some", "key")
        return
    by, _ = compared(spec)
    searched = [(a, axis) for a in spec.alternatives for _, axis in searched_axes(a, by)]
    if "space" in positional_names(spec.search.starts):
        for alternative, axis in searched:
            yield from _undrawn(spec.search.name, alternative, axis, registry)
    elif not any(a.section == "run" and axis.key in LENGTHS for a, axis in searched):
        yield from _too_short(spec)
    else:
        yield Diagnostic(HERE, "the search decides how long runs are, so their length cannot be swept", "sweep others")


def _undrawn(name: str, alternative: Alternative, axis: Axis, registry: Registry) -> Iterator[Diagnostic]:
    """Yield a sweep that is listed, where values are to be drawn, or whose ends its setting does not take."""
    place = axis.inside(alternative)
    if not axis.is_random:
        help_text = "write { loguniform = [1e-4, 1.0], samples = 20 }, or uniform or choice; or name it in compare.by"
        yield Diagnostic(place, f"lists its values, and {name} draws them", help_text)
    elif "choice" not in axis.drawn and len(axis.path) == 1 and alternative.section != "run":
        setting = registry.find(alternative.section, alternative.name).schema[axis.key]
        word = next(word for word in axis.drawn if word.endswith("uniform"))
        for end in axis.drawn[word]:
            try:
                setting.read(float(end))
            except ValidationError:
                yield Diagnostic(place, f"{name} may draw {end:g}, which {axis.key} cannot be", "move that end inside")


def _too_short(spec: Spec) -> Iterator[Diagnostic]:
    """Yield that the runs of the first round would have no step."""
    assert spec.search is not None and spec.search.starts is not None
    [first, *_] = next(spec.search.starts([{}], **spec.search.settings))
    key = next(key for key in LENGTHS if spec.run.settings[key] is not None)
    least = round(1 / first.share)
    if spec.run.settings[key] < least:
        message = f"its first round trains for 1/{least} of {spec.run.settings[key]} {key}, which is less than one"
        yield Diagnostic(HERE, message, f"use fewer rounds, or at least {least} {key}", "key")
