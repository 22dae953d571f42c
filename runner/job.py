"""A job: one plan, one output folder, and how the plan is to be carried out there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from xprun.plugins.discovery import as_executed
from xprun.plugins.registry import PluginFile, Registry
from xprun.runner.execution.worker_context import Context
from xprun.runner.launchers.choice import Launcher
from xprun.runner.planning.plan import Plan
from xprun.runner.planning.plan_shards import PlanShard
from xprun.runner.process.interrupts import Interrupts
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import FAILED
from xprun.runner.status.progress import Progress
from xprun.runner.store.run_store import Store
from xprun.runner.workers.isolated import Meanwhile, WorkerError, run_isolated
from xprun.runner.workload.devices import DeviceError, all_of, pick, told
from xprun.specs import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How to carry out an experiment; none of it changes a result."""

    folder: Path
    plugins: tuple[Path, ...] = ()
    device: str | None = None
    debug: bool = False
    workers: int | None = 0  # processes; None: as many as the size of the work repays, 0: this one, unsupervised
    only: frozenset[str] | None = None  # ids of the runs to train; None: all
    rerun: Literal["failed", "all"] | None = None  # which of the stored runs to train again; failed: and timed out
    launcher: Launcher | None = None  # where to train; None: in `workers` processes, or here
    shard: PlanShard | None = None  # which part of the plan to train; None: all of it

    @property
    def is_local(self) -> bool:
        """Whether runs are trained on this machine, on the device that is chosen here."""
        return self.launcher is None or self.launcher.is_local

    def wants(self, run: Run, outcome: Outcome | None) -> bool:
        """Whether a run is to be trained, given what is stored of it."""
        if self.only is not None and run.id not in self.only:
            return False
        again = self.rerun == "all" or (self.rerun == FAILED and outcome is not None and outcome.errored)
        return outcome is None or not outcome.cacheable or again


@dataclass
class Job:
    """What every part of an experiment needs. `outcomes` are those of the plan's runs, as they are stored."""

    plan: Plan
    store: Store
    options: Options
    device: str
    registry: Registry
    progress: Progress
    interrupts: Interrupts
    outcomes: dict[str, Outcome]
    left: int = 0  # runs that are to be trained and have not ended

    def look(self) -> None:
        """Read what is stored; from then on the plan has what follows from it: rounds of a search, the second stage."""
        self.plan, self.outcomes = self.plan.followed(self.store.outcomes)
        for run in self.plan.confirmed or ():
            if (outcome := self.store.load(run.id)) is not None:
                self.outcomes[run.id] = outcome

    def wanted(self, stage: Sequence[Run]) -> list[Run]:
        """Return the runs of a stage that are to be trained, given what is stored."""
        shard = self.options.shard
        mine = {run.id for run in stage} if shard is None else shard.of(stage)
        return [run for run in stage if run.id in mine and self.options.wants(run, self.outcomes.get(run.id))]

    @property
    def plugins(self) -> tuple[Path | PluginFile, ...]:
        """The plugin files with the text by which the runs have their ids: somebody may edit them meanwhile."""
        return as_executed(self.registry, self.options.plugins)

    @property
    def where(self) -> str:
        """The devices of the runs, or the launcher if it is not one of this machine, as they are told at the begin.

        How many processes pay off, and so how many GPUs are used, is found out later.
        """
        if not self.options.is_local:
            return f"{self.device} by {self.options.launcher}"
        if self.options.workers is None and len(self.devices) > 1:
            return f"up to {len(self.devices)} GPUs"
        return told(self.devices[: self.options.workers or 1])

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """The devices over which the processes of this machine are spread, `device` first."""
        return all_of(self.options.device or self.plan.spec.head.device)

    @cached_property
    def device_here(self) -> str:
        """The device of this machine for what is computed beside the training; it may have none of the runs' kind."""
        if self.options.is_local:
            return self.device
        try:
            return pick(self.device)
        except DeviceError:
            return "cpu"

    @cached_property
    def longest(self) -> float | None:
        """Seconds that the run with the longest limit may take; asked once, not for each run that is observed."""
        return max((run.settings.timeout for run in self.plan.searched if run.settings.timeout), default=None)

    def run_isolated(
        self, function: Callable[..., T], *arguments: Any, purpose: str = "", meanwhile: Meanwhile | None = None
    ) -> T:
        """Return what a function returns that runs code of components; in a worker process it can do no harm.

        It may take as long as a run may, and an interrupt ends it. The worker may be used again for the same `purpose`.
        """
        with self.interrupts.raised():
            if self.options.workers == 0:
                return function(*arguments)
            return run_isolated(function, *arguments, limit=self.longest, purpose=purpose, meanwhile=meanwhile)

    def map_isolated(self, function: Callable[[list[Any], Context], list[T | str]], items: list[Any]) -> list[T | str]:
        """Return what a function makes of each item, each called in a worker, or why there is nothing."""
        context = Context(self.device_here, self.plugins)
        made: list[T | str] = []
        for item in items:
            try:
                made += self.run_isolated(function, [item], context)
            except WorkerError as error:
                made.append(str(error))
        return made
