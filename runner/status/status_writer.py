"""What a grid lets other processes know while it runs: what is planned, and how far it is."""

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
from xprun.runner.results.atomic_files import replace_text
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import RUN
from xprun.specs import Run

PLANNED, PROGRESS = ".planned.json", ".progress.json"
EVERY = 1.0  # seconds between two words on how far it is


class Publisher:
    """Tells in two small files of the output folder what `runner/status/status_reader.py` makes a live view of.

    Whoever trains hears nothing of it: where the disk is full, nothing is told.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._statuses: Counter[str] = Counter()
        self._told: dict[str, Any] = {}
        self._left_out = 0
        self._said = 0.0

    def prepare(self) -> None:
        """Tell nothing yet: what a spec needs may be missing."""

    def start(self, plan: Plan, cohorts: list[Cohort], device: str, later: int, left_out: int) -> None:
        if to_run := sum(len(cohort.runs) for cohort in cohorts) + later:
            self._left_out = left_out
            cached = plan.total - to_run - left_out
            self._told = {"process": os.getpid(), "name": plan.spec.name, "to_run": to_run, "cached": cached}
            self._told |= {"started": time.time(), "over": False}
            self._write(PLANNED, _planned(plan))
            self._tell()

    def confirm(self, plan: Plan, cohorts: list[Cohort], device: str) -> None:
        if self._told:
            self._told["to_run"] = self._statuses.total() + sum(len(cohort.runs) for cohort in cohorts)
            self._told["cached"] = plan.total - self._told["to_run"] - self._left_out
            self._write(PLANNED, _planned(plan))
            self._tell()

    def ended(self, run: Run, outcome: Outcome) -> None:
        self._statuses[outcome.status] += 1
        if time.monotonic() - self._said > EVERY:
            self._tell()

    def finish(self) -> None:
        if self._told:
            self._told["over"] = True
            self._tell()

    def _tell(self) -> None:
        self._said = time.monotonic()
        self._write(PROGRESS, self._told | {"statuses": self._statuses})

    def _write(self, name: str, content: Any) -> None:
        with suppress(OSError):
            replace_text(self._folder / name, json.dumps(content, default=str), durable=False)


def _planned(plan: Plan) -> dict[str, Any]:
    """Return what makes tables of the outcomes in a store: for each run its id and columns, and what reports need."""
    rows = [{RUN: run.id, **columns} for run, columns in zip(plan.rows, plan.columns, strict=True)]
    resolved, spec = describe(plan), plan.spec.document.as_run()
    return {"rows": rows, "tables": plan.schema.as_json(), "resolved": resolved, "spec": spec}
