"""What the comparison of a spec can show at all, told from the spec alone: no run is made for it."""

from __future__ import annotations

from xprun.runner.results.what_shows import what_can_be_shown
from xprun.specs import Spec
from xprun.specs.language.comparison import compared_labels
from xprun.specs.language.confirmation import chooses, fresh_seeds, repeats_of, search_seeds


def what_shows(spec: Spec) -> str:
    """Return in words what the seeds and comparisons of a resolved spec can show; nothing where it compares nothing."""
    return what_can_be_shown(
        min(map(len, search_seeds(spec))),
        len(compared_labels(spec)),
        chosen=chooses(spec),
        confirm=len(fresh_seeds(spec)),
        repeats=repeats_of(spec),
    )
