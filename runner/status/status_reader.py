"""Watches an output folder that another process writes: how far it is, and the tables as they are now. Only reads."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Required

import pandas as pd
from annotated_types import Ge, Gt
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict
from xprun.runner.outputs.csv_files import write_csv
from xprun.runner.outputs.result_tables import history_table, row_of_run, runs_table
from xprun.runner.outputs.tables_description import with_outcomes, write_description
from xprun.runner.results.atomic_files import OutputError, replace_file, replace_text, writing
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import (
    ENDED_WELL,
    FILE,
    HISTORY,
    RESULTS,
    RUN,
    ResultsSchema,
    SchemaError,
    read_schema,
)
from xprun.runner.status.status_writer import CURVES, PLANNED, PROGRESS
from xprun.runner.status.under_way import duration
from xprun.runner.store.database import connect, read_records
from xprun.runner.store.folder_lock import HOLDER, hold
from xprun.runner.store.records import verified_outcomes
from xprun.specs.language.wording import plural

Told = dict[str, Any]


class Progress(TypedDict, total=False):
    """How far a grid is, as it tells other processes.

    `under_way`: how many runs the steps of those amount to that have not ended; `training`: a line on one of them.
    """

    process: Required[int]
    name: Required[str]
    to_run: Required[Annotated[int, Gt(0)]]
    cached: Required[int]
    started: Required[float]
    over: Required[bool]
    statuses: Required[dict[str, Annotated[int, Ge(0)]]]
    under_way: Annotated[float, Ge(0)]
    training: str


class Row(TypedDict):
    """A planned run: its id, and its columns."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    run: str


class Planned(TypedDict, total=False):
    """What a grid plans; an earlier version tells the goals of metrics in the place of what the tables hold."""

    rows: Required[list[Row]]
    tables: dict[str, Any]
    goals: dict[str, str]
    resolved: dict[str, Any]
    spec: str


class RunCurves(TypedDict):
    """The curves so far of a run in training, by metric: steps, and the values there."""

    name: str
    alternative: Annotated[int, Ge(0)]
    curves: dict[str, tuple[list[int], list[float]]]


class Curves(TypedDict):
    """The curves so far of runs in training; an epoch has so many steps."""

    alternatives: list[str]
    per_epoch: Annotated[int, Gt(0)]
    runs: list[RunCurves]


PROGRESS_OF, PLAN_OF, CURVES_OF = TypeAdapter(Progress), TypeAdapter(Planned), TypeAdapter(Curves)


def look(folder: Path, process: int | None = None) -> Told:
    """Return how far a grid is: `state` ("running", "interrupted" or "over"), `done` (0 to 1) and a `text` to read.

    `training` is a line on what is trained now, empty where nothing is.

    `process`: who is to write the folder; what another has left there does not count. Without it, a folder that says
    nothing is over.
    """
    told = _progress(folder)
    if process is not None and told.get("process") != process:
        return {"name": folder.name, "state": "running", "done": None, "ended": 0, "text": "starting"}
    if not told:
        return {"name": folder.name, "state": "over", "done": 1.0, "ended": 0, "text": f"nothing is writing {folder}"}
    ended, to_run = sum(told["statuses"].values()), told["to_run"]
    writes = (folder / HOLDER).exists() and _lives(told["process"])  # until the tables are whole
    state = "running" if writes else "over" if told["over"] and ended == to_run else "interrupted"
    text = f"{_count(told)}; {_outlook(folder, told, state)}"
    done = min(1.0, _done(told) / to_run)
    training = told.get("training", "") if state == "running" else ""
    return {"name": told["name"], "state": state, "done": done, "ended": ended, "text": text, "training": training}


def curves(folder: Path) -> Told:
    """Return the curves so far of runs in training, as `Curves` describes; nothing where nobody tells."""
    try:
        return dict(CURVES_OF.validate_json((folder / CURVES).read_bytes()))
    except (OSError, ValueError):
        return {}


def gather(folder: Path, into: Path) -> Path:
    """Return a folder that holds the tables as they are now: `into`, which is filled, or `folder` if its own are."""
    if look(folder)["state"] == "over":
        return folder
    _write_known(_planned(folder), folder / "store.sqlite", into)
    return into


def _write_known(planned: Told, store: Path, into: Path) -> tuple[int, int]:
    """Write the tables of those planned runs that a store has; return how many are planned, and how many it lacks."""
    wanted = {row[RUN] for row in planned.get("rows", [])}
    outcomes = _outcomes(store, wanted)
    _write_tables(into, planned, [(row, outcomes[row[RUN]]) for row in planned.get("rows", []) if row[RUN] in outcomes])
    replace_text(into / "resolved.json", json.dumps(planned.get("resolved", {}), indent=1) + "\n")
    replace_text(into / "spec.toml", planned.get("spec", ""))
    return len(wanted), len(wanted) - len(outcomes)


def rebuild(folder: Path, planned_in: Iterable[Path]) -> tuple[int, int]:
    """Write the tables of a folder whose store was put together, as the first of other folders that tells has planned.

    Returns how many runs are planned, and how many of them the store lacks; zeros where no folder tells.
    Raises OutputError when the disk fails.
    """
    planned = next((told for other in planned_in if (told := _planned(other))), {})
    if not planned:
        return 0, 0
    with writing(folder):
        counts = _write_known(planned, folder / "store.sqlite", folder)
        replace_text(folder / PLANNED, json.dumps(planned, default=str))
    return counts


def _write_tables(into: Path, planned: Told, known: list[tuple[Told, Outcome]]) -> None:
    """Write the tables of runs, of which the labels, settings and seed come with the outcome."""
    schema, ended = _schema(planned), [outcome for _, outcome in known]
    goals = schema.goals if schema else planned.get("goals", {})
    comparison = schema.comparison if schema else None
    rows = [row_of_run(row, outcome, goals, comparison) for row, outcome in known]
    results = runs_table(rows, with_outcomes(schema, ended)) if schema else pd.DataFrame(rows)
    for table, file in ((results, RESULTS.file), (history_table(ended), HISTORY.file)):
        replace_file(into / file, partial(write_csv, table))
    if schema:
        write_description(into, with_outcomes(schema, ended))
    else:
        (into / FILE).unlink(missing_ok=True)


def _schema(planned: Told) -> ResultsSchema | None:
    """Return what the tables of a grid are to hold; None where an earlier version has planned it.

    Raises OutputError where a newer one has.
    """
    try:
        return read_schema(planned["tables"]) if "tables" in planned else None
    except SchemaError as error:
        raise OutputError(f"{PLANNED}: {error}") from error


def recover(folder: Path) -> None:
    """Write the tables of what a grid had saved when it was killed, since it could not; nothing where it did.

    Raises InUseError when another process has taken the grid up again, and OutputError when the disk fails.
    """
    if look(folder)["state"] != "interrupted" or _time(folder / RESULTS.file) >= _time(folder / PROGRESS):
        return
    if not _planned(folder):
        raise OutputError(
            f"{folder / PLANNED} is damaged, without which what was saved has no tables; run the spec again"
        )
    with hold(folder), writing(folder):
        for judged in folder.glob("claims.*"):  # of an earlier grid
            judged.unlink()
        gather(folder, folder)


def _count(told: Told) -> str:
    to_run, statuses = told["to_run"], told["statuses"]
    ill = [f"{n:,} {status}" for status, n in statuses.items() if status not in ENDED_WELL]
    before = [f"{told['cached']:,} cached"] if told["cached"] else []
    return ", ".join([f"{sum(statuses.values()):,} of {to_run:,} {plural('run', to_run)} ended", *ill, *before])


def _outlook(folder: Path, told: Told, state: str) -> str:
    """Return what is ahead, in words."""
    if state == "over":
        return f"the report is {folder / 'report.html'}"
    if state == "interrupted":
        return "interrupted; finished runs are kept"
    if told["over"]:
        return "writing the tables"
    done, passed = _done(told), time.time() - told["started"]
    return f"about {duration(passed * (told['to_run'] - done) / done)} left" if done else f"{duration(passed)} so far"


def _done(told: Told) -> float:
    """Return how many runs have been trained, parts of runs included."""
    return min(float(told["to_run"]), float(sum(told["statuses"].values()) + told.get("under_way", 0.0)))


def _outcomes(store: Path, wanted: set[str]) -> dict[str, Outcome]:
    """Return by run id what is stored so far and whole; nothing where there is no store yet."""
    found: dict[str, Outcome] = {}
    with suppress(sqlite3.Error), closing(connect(store)) as database:
        records = (pair for pair in read_records(database) if pair[0].run in wanted)
        for outcome in verified_outcomes(records):
            found[outcome.run] = outcome
    return found


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _lives(process: int) -> bool:
    """Whether a process of this machine is there; Windows has no question that does no harm."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _progress(folder: Path) -> Told:
    """Return what `.progress.json` says; nothing where it is missing, or not as it was written."""
    try:
        return dict(PROGRESS_OF.validate_json((folder / PROGRESS).read_bytes()))
    except (OSError, ValueError):
        return {}


def _planned(folder: Path) -> Told:
    """Return what `.planned.json` says; nothing where it is missing, or not as it was written."""
    try:
        return dict(PLAN_OF.validate_json((folder / PLANNED).read_bytes()))
    except (OSError, ValueError):
        return {}
