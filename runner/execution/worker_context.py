"""What the execution of a cohort needs to know beside it; no torch is needed for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from xprun.plugins.registry import PluginFile
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.training_progress import NEVER
from xprun.runner.results.outcome import Outcome

MESSAGES = 50  # on how far trainings are, that one process hears in a second at most


@dataclass(frozen=True)
class Home:
    """Where runs are planned, and what every place that trains them must have in common with it.

    `folder` is the working directory; `versions` those of Python, torch and xprun by name; `components` the kind, name
    and fingerprint of each component that the spec uses; `holder` what stands in the output folder while it is written,
    by which another machine knows that it shares that folder.
    """

    folder: str
    versions: tuple[tuple[str, str], ...]
    components: tuple[tuple[str, str, str], ...]
    holder: str


@dataclass(frozen=True)
class Context:
    """What the training of a cohort needs beside it: plain values, which can be pickled and sent to any machine.

    A launcher hands it to `lead` as it is. `device` is a kind of device where `home` is given: which one of that kind,
    `lead` chooses where the runs are.
    """

    device: str
    plugins: tuple[Path | PluginFile, ...] = ()  # as they were when the grid was begun
    debug: bool = False
    devices: tuple[str, ...] = ()  # over which the processes of this machine are spread; empty: all have `device`
    workers: int = 1  # processes that share this machine
    visuals: bool = True  # whether what only plots need is kept, too
    undoes_imports: bool = False  # whether the import of components changes what all runs share, which is put back
    is_shared: bool = True  # whether other runs are trained in the same process
    folder: Path | None = None  # the output folder, where unfinished trainings are saved; None: nowhere
    tell_every: float = NEVER  # seconds between two words on how far a training is
    home: Home | None = None  # where the runs are planned; None: here, in this process or in one that it has started

    def execute(self, cohort: Cohort) -> Iterator[list[Outcome]]:
        """Yield the outcomes of a cohort's runs; see `execute`. Only the process that calls it imports torch."""
        from xprun.runner.execution.cohort_execution import execute

        return execute(cohort, self.in_slot(cohort.slot))

    def in_slot(self, slot: int) -> Context:
        """Return the context of one of the processes that train at once, by its number from 0: it has its device."""
        return replace(self, device=self.devices[slot % len(self.devices)]) if self.devices else self

    def told_by(self, places: int, at_least: float = 0.0) -> Context:
        """Return the context for so many places, which tell how far they are the more seldom the more they are."""
        return replace(self, tell_every=max(self.tell_every, places / MESSAGES, at_least))

    @property
    def spread(self) -> tuple[str, ...]:
        """The devices that the processes of this machine have."""
        return self.devices or (self.device,)
