"""What the execution of a cohort needs to know beside it; no torch is needed for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xprun.plugins.registry import PluginFile
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.results.outcome import Outcome


@dataclass(frozen=True)
class Context:
    """What a worker needs beside the cohort; plain values, so that it can travel to another process."""

    device: str
    plugins: tuple[Path | PluginFile, ...] = ()  # as they were when the grid was begun
    debug: bool = False
    workers: int = 1  # processes that share this machine
    visuals: bool = True  # whether what only plots need is kept, too
    undoes_imports: bool = False  # whether the import of components changes what all runs share, which is put back
    is_shared: bool = True  # whether other runs are trained in the same process
    folder: Path | None = None  # the output folder, where unfinished trainings are saved; None: nowhere

    def execute(self, cohort: Cohort) -> Iterator[list[Outcome]]:
        """Yield the outcomes of a cohort's runs; see `execute`. Only the process that calls it imports torch."""
        from xprun.runner.execution.cohort_execution import execute

        return execute(cohort, self)
