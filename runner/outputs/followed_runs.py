"""Lets the observers that can follow runs while they train, such as TensorBoard's, write what is new of them."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import PluginFile
from xprun.runner.outputs.run_observers import PURPOSE, UNFINISHED, RunIsolated, asked_by, folder_of
from xprun.runner.planning.plan import Plan
from xprun.runner.process.training_progress import NEVER, TrainingProgress
from xprun.runner.resolve.build import build
from xprun.runner.results.run_columns import columns_of_run

EVERY = 1.0  # seconds between two times that observers write
SHARE, LONGEST = 10, 5.0  # and so many times what the latest took, but at most so many seconds

Points = dict[str, tuple[list[int], list[float]]]  # by metric: steps, and the values there


@dataclass
class News:
    """What an observer is to write of a run: into which folder, and what is told."""

    name: str
    target: Path
    told: dict[str, Any]


@dataclass
class FollowedRuns:
    """Hears how far runs are, and lets their observers write it now and then, where components can do no harm.

    An observer follows runs if it has a method `advance`, which is found out when there is something to follow.
    """

    plan: Plan
    folder: Path
    plugins: tuple[Path | PluginFile, ...]
    run_isolated: RunIsolated
    _news: dict[str, Points] = field(default_factory=lambda: defaultdict(dict))
    _steps: dict[tuple[str, str], int] = field(default_factory=dict)  # the latest by run and metric
    _due: float = 0.0
    _not_following: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._runs = {run.id: run for run in self.plan.runs if run.settings.observers}

    @property
    def every(self) -> float:
        """Seconds between two words on how far a training is that observers want."""
        return EVERY if self._runs else NEVER

    def advanced(self, progress: TrainingProgress) -> None:
        """Take down what is new, and let observers write it if it is time to."""
        for at, run in enumerate(progress.runs):
            if run in self._runs:
                self._take_down(run, {metric: (0, values[at]) for metric, values in progress.untrained.items()})
                self._take_down(run, {metric: (step, v[at]) for metric, (step, v) in progress.latest.items()})
        if self._news and time.monotonic() >= self._due:
            start = time.monotonic()
            self._write()
            end = time.monotonic()
            self._due = end + max(EVERY, min(SHARE * (end - start), LONGEST))

    def _take_down(self, run: str, latest: dict[str, tuple[int, float]]) -> None:
        for metric, (step, value) in latest.items():
            if step > self._steps.get((run, metric), -1):
                self._steps[run, metric] = step
                steps, values = self._news[run].setdefault(metric, ([], []))
                steps.append(step)
                values.append(value)

    def _write(self) -> None:
        news = [
            News(name, folder_of(self.plan, run, name, self.folder), self._told(run.id))
            for run in map(self._runs.__getitem__, self._news)
            for name in run.settings.observers
            if name not in self._not_following
        ]
        self._news.clear()
        if news:
            self._not_following |= self.run_isolated(write_so_far, self.plugins, news, purpose=PURPOSE)

    def _told(self, run: str) -> dict[str, Any]:
        found = self._runs[run]
        told = {"settings": columns_of_run(found), "history": self._news[run], "run": run}
        return told | {"stage": self.plan.stage_of(found)}


def write_so_far(plugins: tuple[Path | PluginFile, ...], news: list[News]) -> set[str]:
    """Let observers write what is new of runs; return the names of those that do not follow runs."""
    registry = open_registry(plugins)
    observers = {name: build(registry, "observer", name, {}) for name in {one.name for one in news}}
    following = {name: observer.advance for name, observer in observers.items() if hasattr(observer, "advance")}
    for one in news:
        if advance := following.get(one.name):
            one.target.mkdir(parents=True, exist_ok=True)
            (one.target / UNFINISHED).touch()
            advance(one.target, **asked_by(advance, one.told))
    return observers.keys() - following.keys()
