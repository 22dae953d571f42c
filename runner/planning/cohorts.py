"""Cohorts: runs that share a program, and may be trained together."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from xprun.runner.planning.layout import Layout
from xprun.specs import Run
from xprun.specs.language.identity import shared_identity_of

ROUNDING = 1e-9  # of a number of parts


@dataclass(frozen=True)
class Cohort:
    """Runs that share a program: data, model, loss, run settings. They differ in optimizer, scheduler and seed only.

    And in numbers of `[run]` that each run may have its own of: where gradients are clipped, how weights are averaged.
    `layout` is that of runs whose training was cut off, and goes on in it. `is_part`: there are other runs of the kind,
    which may be trained in the same process. `slot` is the number of the process that trains it, among those at work.
    `seconds` is about how long its training takes, where somebody has looked.
    """

    runs: list[Run]
    layout: Layout | None = None
    is_part: bool = False
    slot: int = 0
    seconds: float | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Be sent to a worker as what the seeds of a setting share, and the seeds: a tenth of so many runs."""
        packed: list[tuple[Run, list[int], list[str]]] = []
        for run in self.runs:
            if not packed or run.choices is not packed[-1][0].choices or run.settings is not packed[-1][0].settings:
                packed.append((run, [], []))
            packed[-1][1].append(run.seed)
            packed[-1][2].append(run.id)
        return _unpacked, (packed, self.layout, self.is_part, self.slot)

    @property
    def program(self) -> str:
        """What the runs share, as text."""
        return program_of(self.runs[0])

    def split(self, parts: int) -> list[Cohort]:
        """Return at most that many cohorts of about equal size; the seeds of one setting stay together.

        One whose training was cut off stays whole: it goes on in the layout in which it began.
        """
        if self.layout or parts < 2:
            return [self]
        settings: dict[str, list[Run]] = {}
        for run in self.runs:
            settings.setdefault(run.variant, []).append(run)
        groups = list(settings.values()) if len(settings) >= parts else [[run] for run in self.runs]
        shares = [groups[i::parts] for i in range(min(parts, len(groups)))]
        is_part = self.is_part or len(self.runs) > 1
        return [Cohort([run for group in share for run in group], is_part=is_part) for share in shares]

    def rest(self, pending: Container[str]) -> Cohort:
        """Return it with those of its runs whose ids are `pending`; whole, it goes on in its layout."""
        runs = [run for run in self.runs if run.id in pending]
        is_part = self.is_part or len(self.runs) > 1
        return self if len(runs) == len(self.runs) else Cohort(runs, is_part=is_part)


def _unpacked(
    packed: list[tuple[Run, list[int], list[str]]], layout: Layout | None, is_part: bool, slot: int
) -> Cohort:
    runs = [
        Run(first.choices, first.settings, first.run_choice, seed, run, first.problem)
        for first, seeds, ids in packed
        for seed, run in zip(seeds, ids, strict=True)
    ]
    return Cohort(runs, layout, is_part, slot)


def cohorts_of(runs: Iterable[Run], leave_out: Container[str] = ()) -> list[Cohort]:
    """Return the cohorts of the runs whose ids are not in `leave_out`."""
    groups: dict[str, list[Run]] = {}
    latest, group = None, list[Run]()
    for run in runs:
        if run.id not in leave_out:
            if latest is None or run.choices is not latest.choices or run.settings is not latest.settings:
                latest, group = run, groups.setdefault(program_of(run), [])  # and not once more for each seed
            group.append(run)
    return [Cohort(several) for several in groups.values()]


def cut(cohorts: Iterable[Cohort], places: int) -> list[Cohort]:
    """Return the parts in which cohorts are handed to so many places that train at once."""
    cohorts = list(cohorts)
    known = [cohort.seconds for cohort in cohorts if cohort.seconds is not None]
    lengths = known if len(known) == len(cohorts) else [float(len(cohort.runs)) for cohort in cohorts]
    numbers = parts_of(lengths, places)
    return [part for cohort, number in zip(cohorts, numbers, strict=True) for part in cohort.split(number)]


def parts_of(lengths: Sequence[float], places: int) -> list[int]:
    """Return into how many parts to cut cohorts that take so long, for so many places that train at once.

    No part is longer than half of what a place has to do, so that none waits long for the last one. What is shorter
    stays whole: each part needs a start of its own, and steps of few runs cost nearly as much as those of many.
    """
    longest = sum(lengths) / (2 * places)
    return [1 if places == 1 or not longest else max(1, ceil(length / longest - ROUNDING)) for length in lengths]


def unfinished_first(cohorts: list[Cohort], layouts: list[Layout]) -> list[Cohort]:
    """Return cohorts in which the runs of each unfinished training are one of its own, and before the others."""
    first = []
    for layout in layouts:
        runs = set(layout.every_run)
        found = next((cohort for cohort in cohorts if runs <= {run.id for run in cohort.runs}), None)
        if found:
            first.append(Cohort([run for run in found.runs if run.id in runs], layout))
            rest = Cohort([run for run in found.runs if run.id not in runs])
            cohorts = [rest if cohort is found else cohort for cohort in cohorts]
    return [*first, *(cohort for cohort in cohorts if cohort.runs)]


def program_of(run: Run) -> str:
    """Return what a run shares with the other runs of its cohort, as text."""
    shared = [run.choices[section].identity for section in ("data", "model", "loss")]
    return json.dumps([*shared, shared_identity_of(run.settings)])
