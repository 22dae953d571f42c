"""The result tables: one row a run, the tidy history, and the matrices that runs end with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from xprun.runner.columns import columns_of_run
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Plan
from xprun.runner.store.files import replace_file
from xprun.specs import Run
from xprun.specs.models import COMPONENT_SECTIONS

Pairs = list[tuple[Run, Outcome]]


def runs_table(plan: Plan, pairs: Pairs) -> pd.DataFrame:
    """Return one row a run: `run`, labels, dotted settings, `seed`, how it ended, final and best metrics."""
    rows = [{"run": run.id, **columns_of_run(run), **result_columns(outcome, plan.goals)} for run, outcome in pairs]
    frame = pd.DataFrame(rows)
    return frame[_ordered(list(frame.columns))] if rows else frame


def history_table(pairs: Pairs, steps_per_epoch: dict[str, float]) -> pd.DataFrame:
    """Return the tidy history `run, step, epoch, metric, value`, in the order of the runs."""
    parts: list[tuple[str, str, int]] = []
    steps, epochs, values = [], [], []
    for run, outcome in pairs:
        for metric, series in outcome.history.items():
            parts.append((run.id, metric, len(series.steps)))
            steps.append(series.steps)
            epochs.append(series.steps / steps_per_epoch[run.id])
            values.append(series.values)
    counts = [count for _, _, count in parts]
    return pd.DataFrame(
        {
            "run": np.repeat(np.array([p[0] for p in parts], dtype=object), counts),
            "step": np.concatenate(steps) if steps else np.array([], dtype=np.int64),
            "epoch": np.concatenate(epochs) if epochs else np.array([]),
            "metric": np.repeat(np.array([p[1] for p in parts], dtype=object), counts),
            "value": np.concatenate(values) if values else np.array([]),
        }
    )


def matrices_table(pairs: Pairs) -> pd.DataFrame:
    """Return matrices as `run, metric, row, column, value`, rows and columns from 0, in the order of the runs."""
    rows = [
        (run.id, metric, i, j, value)
        for run, outcome in pairs
        for metric, matrix in outcome.matrices.items()
        for i, values in enumerate(matrix)
        for j, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["run", "metric", "row", "column", "value"])


def write_tables(folder: Path, plan: Plan, pairs: Pairs) -> list[Path]:
    """Write `results.csv`, `history.csv` and, where metrics give matrices, `matrices.csv` into the folder.

    Where pyarrow is installed, each is written as `.parquet`, too.
    """
    per_epoch = {run.id: outcome.steps / outcome.epochs if outcome.epochs else 1.0 for run, outcome in pairs}
    tables = {"results": runs_table(plan, pairs), "history": history_table(pairs, per_epoch)}
    if any(run.settings.matrices for run, _ in pairs):
        tables["matrices"] = matrices_table(pairs)
    formats = {"csv": _write_csv} | ({"parquet": _write_parquet} if find_spec("pyarrow") else {})
    return [
        replace_file(folder / f"{name}.{ending}", partial(write, table))
        for ending, write in formats.items()
        for name, table in tables.items()
    ]


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    ours = {"run", "metric"}  # words that no user chose, and millions of them
    texts = [name for name in table if name not in ours and not pd.api.types.is_numeric_dtype(table[name])]
    inert = table.assign(**{str(name): table[name].map(_inert) for name in texts})
    inert.to_csv(path, index=False, lineterminator="\n")


def _inert(value: Any) -> Any:
    """Return a text that a spreadsheet would take for a formula with a `'` before it, which makes it text there."""
    return f"'{value}" if isinstance(value, str) and re.match(r"'*[=+\-@\t\r]", value) else value


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.apply(_of_one_type).to_parquet(path, engine="pyarrow", index=False)


def _of_one_type(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column with its values as text where they are of several types, as settings of alternatives may be."""
    types = {type(value) for value in column.dropna()} if column.dtype == object else set()
    return column.map(str, na_action="ignore") if len(types) > 1 and not types <= {int, float} else column


def result_columns(outcome: Outcome, goals: dict[str, str]) -> dict[str, Any]:
    """Return how a run ended (`status`, `steps`, ...) and what came out (`final.loss`, `best.loss`, `param.w`, ...)."""
    return {**_ending(outcome), **_metrics(outcome, goals)}


def _ending(outcome: Outcome) -> dict[str, Any]:
    names = ("status", "reason", "steps", "epochs", "seconds", "together")
    return {name: getattr(outcome, name) for name in names}


def _metrics(outcome: Outcome, goals: dict[str, str]) -> dict[str, Any]:
    """Return `final.<metric>` of a run that came to its end, `best.<metric>`, `param.<name>` of a tiny model, and
    `reference.<name>`, what is known in closed form."""
    row: dict[str, Any] = {}
    ended = outcome.status in ("done", "stopped")
    for metric, goal in goals.items():
        series = outcome.history.get(metric)
        finite = series.values[np.isfinite(series.values)] if series else np.array([])
        row[f"final.{metric}"] = float(series.values[-1]) if series and ended else np.nan
        row[f"best.{metric}"] = float(finite.max() if goal == "max" else finite.min()) if len(finite) else np.nan
    row |= {f"param.{name}": value for name, value in outcome.parameters.items()}
    return row | {f"reference.{name}": value for name, value in outcome.reference.items()}


def _ordered(columns: Iterable[str]) -> list[str]:
    """Return the columns by group: identity, settings, ending, finals, bests, parameters, references; stable."""
    first = ["run", *COMPONENT_SECTIONS]
    ending = ["seed", "status", "reason", "steps", "epochs", "seconds", "together"]

    def group(column: str) -> int:
        if column in first:
            return 0
        if column in ending:
            return 2
        return {"final": 3, "best": 4, "param": 5, "reference": 6}.get(column.partition(".")[0], 1)

    return sorted(columns, key=group)
