"""What a grid lets other processes know while it runs: what is planned, how far it is, and the curves so far."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.plan import Plan, describe
from xprun.runner.process.training_progress import TrainingProgress
from xprun.runner.results.atomic_files import replace_text
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import RUN
from xprun.runner.results.run_columns import label_of, sections_that_differ
from xprun.runner.status.curves_so_far import CurvesSoFar
from xprun.runner.status.progress import LIVE, SELDOM, name_of
from xprun.runner.status.under_way import UnderWay, line
from xprun.specs import Run

PLANNED, PROGRESS, CURVES = ".planned.json", ".progress.json", ".curves.json"
EVERY = 1.0  # seconds between two words on how far it is
SHARE = 200  # and so many times what the latest took: of either file, a half of a hundredth of the time at most


class Publisher:
    """Tells in three small files of the output folder what `runner/status/status_reader.py` makes a live view of.

    Whoever trains hears nothing of it: where the disk is full, nothing is told. `live`: somebody is about to look.
    """

    def __init__(self, folder: Path, *, live: bool = False) -> None:
        self._folder, self.every = folder, LIVE if live else SELDOM
        self._statuses: Counter[str] = Counter()
        self._told: dict[str, Any] = {}
        self._left_out = 0
        self._due = self._curves_due = 0.0
        self._under_way, self._curves = UnderWay(), CurvesSoFar()
        self._labels: list[str] = []  # of the alternatives, in the order of the plan

    def prepare(self) -> None:
        """Tell nothing yet: what a spec needs may be missing."""

    def start(self, plan: Plan, cohorts: list[Cohort], device: str, later: int, left_out: int) -> None:
        if to_run := sum(len(cohort.runs) for cohort in cohorts) + later:
            self._left_out = left_out
            cached = plan.total - to_run - left_out
            self._told = {"process": os.getpid(), "name": plan.spec.name, "to_run": to_run, "cached": cached}
            self._told |= {"started": time.time(), "over": False}
            self._look_at(plan)

    def extended(self, plan: Plan) -> None:
        if self._told:
            self._look_at(plan)

    def confirm(self, plan: Plan, cohorts: list[Cohort], device: str) -> None:
        if self._told:
            self._told["to_run"] = self._statuses.total() + sum(len(cohort.runs) for cohort in cohorts)
            self._told["cached"] = plan.total - self._told["to_run"] - self._left_out
            self._look_at(plan)

    def advanced(self, progress: TrainingProgress) -> None:
        if not self._told or not progress.runs or not self._runs.keys() >= {progress.unit, *progress.runs}:
            return
        self._under_way.hear(progress)
        comparison = self._plan.comparison_of(self._runs[progress.unit])
        self._curves.hear(progress, comparison.measured[0])
        self._told["training"] = line(progress, comparison, self._name)
        if time.monotonic() > self._due:
            self._tell()
        if time.monotonic() > self._curves_due:
            self._draw()

    def ended(self, run: Run, outcome: Outcome) -> None:
        self._statuses[outcome.status] += 1
        self._under_way.ended(run.id)
        self._curves.ended(run.id)
        if time.monotonic() > self._due:
            self._tell()

    def finish(self) -> None:
        if self._told:
            self._told |= {"over": True, "training": ""}
            self._tell()
            with suppress(OSError):
                (self._folder / CURVES).unlink(missing_ok=True)

    def _look_at(self, plan: Plan) -> None:
        """Tell what is planned; what its runs are called is found out when one is told of."""
        self._plan, self._runs = plan, {run.id: run for run in plan.runs}
        self._labels, self._telling = [], sections_that_differ(plan.grid_rows) or {"optimizer"}
        self._write(PLANNED, _planned(plan))
        self._tell()

    def _name(self, run: str) -> str:
        return name_of(self._runs[run], self._telling) if len(self._runs) > 1 else ""

    def _tell(self) -> None:
        told = self._told | {"statuses": self._statuses, "under_way": self._under_way.done}
        self._due = time.monotonic() + max(EVERY, SHARE * self._write(PROGRESS, told))

    def _draw(self) -> None:
        """Tell the curves so far of runs in training, with their names and the number of their alternative."""
        by = self._plan.comparison.by
        self._labels = self._labels or [*dict.fromkeys(label_of(run, by) for run in self._plan.rows)]
        runs = [
            {
                "name": self._name(run),
                "alternative": self._labels.index(label_of(self._runs[run], by)),
                "curves": curves,
            }
            for run, curves in self._curves.curves.items()
        ]
        told = {"alternatives": self._labels, "per_epoch": self._curves.per_epoch, "runs": runs}
        self._curves_due = time.monotonic() + max(EVERY, SHARE * self._write(CURVES, told))

    def _write(self, name: str, content: Any) -> float:
        """Write a file and return how many seconds it took."""
        start = time.perf_counter()
        with suppress(OSError):
            replace_text(self._folder / name, json.dumps(content, default=str), durable=False)
        return time.perf_counter() - start


def _planned(plan: Plan) -> dict[str, Any]:
    """Return what makes tables of the outcomes in a store: for each run its id and columns, and what reports need."""
    rows = [{RUN: run.id, **columns} for run, columns in zip(plan.rows, plan.columns, strict=True)]
    resolved, spec = describe(plan), plan.spec.document.as_run()
    return {"rows": rows, "tables": plan.schema.as_json(), "resolved": resolved, "spec": spec}
