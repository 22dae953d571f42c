"""Which settings repeat a setting: they draw or split the data anew, and are compared by nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from xprun.specs.language.alternatives import Alternative, Axis
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.expansion import Choice, Run
from xprun.specs.language.folds import FOLD


def is_repeat(section: str, path: Path) -> bool:
    """Whether a setting is a seed of the data, `split_seed` or a data set's own `seed`, or the fold held out."""
    name = path[0] if len(path) == 1 else None
    return section == "data" and isinstance(name, str) and (name in ("seed", FOLD) or name.endswith("_seed"))


def compared_axes(alternative: Alternative) -> Iterator[Axis]:
    """Yield the sweeps of an alternative whose values are compared."""
    return (axis for axis in alternative.axes if not is_repeat(alternative.section, axis.path))


def block_of(run: Run) -> tuple[Any, ...]:
    """Return what a run shares with those that it is compared with one by one: its seed, and its swept repeats."""
    return run.seed, *(value for path, value in run.choices["data"].swept.items() if is_repeat("data", path))


def without_repeats(choice: Choice) -> Choice:
    """Return a choice without the settings that repeat it."""
    section = choice.alternative.section
    kept = {key: value for key, value in choice.settings.items() if not is_repeat(section, (key,))}
    return choice if len(kept) == len(choice.settings) else replace(choice, settings=kept)


def searched_axes(alternative: Alternative, by: Sequence[str]) -> list[tuple[str, Axis]]:
    """Return the sweeps of which a search chooses the values, by dotted name: no repeats, and not what is compared."""
    section = alternative.section
    named = [(dotted((section, *axis.path)), axis) for axis in alternative.axes if not is_repeat(section, axis.path)]
    return [(name, axis) for name, axis in named if name not in by]
