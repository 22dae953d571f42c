"""How the runs of a cohort lie in memory: S groups that see the same rows, K runs in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor
from xprun.specs import Run

Batch = tuple[Tensor, ...]  # prepared rows [S, B, ...]


@dataclass
class Grid:
    """Runs in S groups of K: `runs[s][k]`. Runs of a group share seed and batches; those of a column, settings."""

    runs: list[list[Run]]

    @property
    def groups(self) -> int:
        return len(self.runs)

    @property
    def columns(self) -> int:
        return len(self.runs[0])

    def __len__(self) -> int:
        return self.groups * self.columns

    @property
    def every_run(self) -> list[Run]:
        return [run for _, _, run in self.cells()]

    def cells(self) -> Iterator[tuple[int, int, Run]]:
        """Yield (s, k, run) for every run."""
        for s, group in enumerate(self.runs):
            for k, run in enumerate(group):
                yield s, k, run

    def first(self, columns: int) -> Grid:
        """Return the grid of the first so many columns."""
        return self.keep(list(range(columns)))

    def cut(self, parts: int) -> list[Grid]:
        """Return at most that many grids of neighbouring columns, about equally many each."""
        ends = [self.columns * i // parts for i in range(parts + 1)]
        return [self.keep(list(range(a, b))) for a, b in pairwise(ends) if a < b]

    def halves(self) -> list[Grid]:
        """Return two grids with half of the columns each, or of one column with half of the groups."""
        if self.columns > 1:
            return self.cut(2)
        middle = self.groups // 2
        return [Grid(self.runs[:middle]), Grid(self.runs[middle:])]

    def keep(self, columns: list[int]) -> Grid:
        """Return the grid of only these columns."""
        return Grid([[group[k] for k in columns] for group in self.runs])


def make_grids(runs: list[Run], family: Callable[[Run], str], *, one_group: bool) -> list[Grid]:
    """Return the runs as grids, in which the runs of one `family` lie side by side.

    Where a step is the same for every seed (`one_group`), all runs are one group. Otherwise settings that are
    trained with the same seeds form a grid; where an earlier call has left holes there are several.
    """
    by_setting: dict[str, dict[int, Run]] = {}
    for run in sorted(runs, key=family):
        by_setting.setdefault(run.variant, {})[run.seed] = run
    if one_group:
        return [Grid([[run for seeds in by_setting.values() for run in seeds.values()]])]
    by_seeds: dict[tuple[int, ...], list[dict[int, Run]]] = {}
    for seeds in by_setting.values():
        by_seeds.setdefault(tuple(sorted(seeds)), []).append(seeds)
    return [Grid([[setting[s] for setting in settings] for s in seeds]) for seeds, settings in by_seeds.items()]
