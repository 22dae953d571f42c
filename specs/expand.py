"""Expansion: a spec's alternatives and axes become frozen runs, counted before they are made."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from xprun.specs.errors import Path
from xprun.specs.models import COMPONENT_SECTIONS, RunSettings
from xprun.specs.read import Alternative, Spec, replaced


@dataclass(frozen=True)
class Choice:
    """One alternative with every setting decided. `swept` holds the values that differ within the alternative."""

    alternative: Alternative
    settings: dict[str, Any]
    swept: dict[Path, Any]

    @property
    def name(self) -> str:
        return self.alternative.name

    @property
    def label(self) -> str:
        return self.alternative.label or self.alternative.name

    @cached_property
    def identity(self) -> str:
        """What decides the choice's results, as canonical text: the same for the same settings in any order."""
        settings = {key: value for key, value in self.settings.items() if key not in self.alternative.aside}
        content = [self.alternative.section, self.name, self.alternative.fingerprint, settings]
        return json.dumps(content, sort_keys=True, default=str)


@dataclass(frozen=True)
class Run:
    """One training run: a choice for each section, run settings, a seed and the id that they give."""

    choices: dict[str, Choice]
    settings: RunSettings
    run_choice: Choice
    seed: int
    id: str


# Settings of [run] that decide which runs there are or how they are carried out, and no result of a run.
NOT_IDENTITY = {"seeds", "engine"}


def count_runs(spec: Spec) -> int:
    """Return how many runs a spec stands for, without making them."""
    per_section = [sum(_size(a) for a in alternatives) for alternatives in spec.sections.values()]
    seeds = len(RunSettings.model_validate(spec.run.settings).seed_list)
    return math.prod(per_section) * _size(spec.run) * seeds


def expand(spec: Spec, salt: str = "") -> list[Run]:
    """Return all runs of a spec, in the order of the file: sections outer, seeds innermost.

    `salt` is what else decides results and does not stand in the spec, such as the kind of device.
    """
    per_section = [[c for a in spec.sections[s] for c in _choices(a)] for s in COMPONENT_SECTIONS]
    runs = []
    for run_choice in _choices(spec.run):
        settings = RunSettings.model_validate(run_choice.settings)
        common = settings.model_dump_json(exclude=NOT_IDENTITY) + salt
        for chosen in product(*per_section):
            identity = hashlib.sha256("\n".join([common, *(c.identity for c in chosen)]).encode())
            choices = dict(zip(COMPONENT_SECTIONS, chosen, strict=True))
            runs += [Run(choices, settings, run_choice, s, _id(identity, s)) for s in settings.seed_list]
    return runs


def _size(alternative: Alternative) -> int:
    return math.prod(len(axis.values) for axis in alternative.axes)


def _choices(alternative: Alternative) -> Iterator[Choice]:
    for values in product(*(axis.values for axis in alternative.axes)):
        settings = alternative.settings
        for axis, value in zip(alternative.axes, values, strict=True):
            settings = replaced(settings, axis.path, value)
        paths = (axis.path for axis in alternative.axes)
        yield Choice(alternative, settings, dict(zip(paths, values, strict=True)))


def _id(identity: Any, seed: int) -> str:
    digest = identity.copy()
    digest.update(f"\nseed {seed}".encode())
    return str(digest.hexdigest()[:12])
