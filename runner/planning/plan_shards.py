"""Shards of a plan: which of its runs each of several commands trains, so that together they train all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from xprun.runner.planning.cohorts import Cohort, cohorts_of
from xprun.specs import Run


@dataclass(frozen=True)
class PlanShard:
    """The shard of this `number`, from 1, of so many (`count`)."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def read(cls, text: str) -> PlanShard:
        """Return the shard that is written `2/3`; raise ValueError for what is none."""
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip(), re.ASCII)
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise ValueError(f"{text!r} is no shard: write 1/3, 2/3 and 3/3 for the three parts of a grid")
        return cls(number, count)

    def of(self, stage: Sequence[Run]) -> set[str]:
        """Return the ids of the runs of a stage that are in this shard.

        Every run is in one of the shards, the same one whatever is stored. Cohorts stay whole, because their runs are
        trained together, unless one is larger than a shard; the shards have about equally many runs.
        """
        sizes = [0] * self.count
        mine: set[str] = set()
        for part in _parts(stage, self.count):
            smallest = sizes.index(min(sizes))
            sizes[smallest] += len(part.runs)
            if smallest == self.number - 1:
                mine.update(run.id for run in part.runs)
        return mine


def _parts(stage: Sequence[Run], count: int) -> list[Cohort]:
    """Return the cohorts of a stage, the large ones first; those of more runs than a shard's share are cut."""
    share = len(stage) / count
    cohorts = cohorts_of(stage)
    parts = [part for whole in cohorts for part in ([whole] if len(whole.runs) <= share else whole.split(count))]
    return sorted(parts, key=lambda part: -len(part.runs))
