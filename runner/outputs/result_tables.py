"""The result tables: one row a run and label, tidy history, the matrices that runs end with, verdicts on claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from xprun.plugins.python_packages import find_package, said_of_broken
from xprun.runner.outputs.csv_files import write_csv
from xprun.runner.outputs.result_columns import Pairs, result_columns
from xprun.runner.outputs.tables_description import with_outcomes, write_description
from xprun.runner.planning.plan import Plan
from xprun.runner.process.log import note, words_of
from xprun.runner.results.atomic_files import OutputError, replace_file
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import (
    EPOCH,
    MATRICES,
    METRIC,
    RUN,
    SEARCH,
    STAGE,
    STEP,
    VALUE,
    Comparison,
    ResultsSchema,
)


def row_of_run(
    columns: dict[str, Any], outcome: Outcome, goals: Mapping[str, str], comparison: Comparison | None
) -> dict[str, Any]:
    """Return the row of a run whose labels, settings, seed and stage are `columns`; a run of old is of the search."""
    return {RUN: outcome.run, STAGE: SEARCH, **columns, **result_columns(outcome, goals, comparison)}


def runs_table(rows: list[dict[str, Any]], schema: ResultsSchema) -> pd.DataFrame:
    """Return rows of runs as a table with the columns of the schema, in its order, as far as a run has them."""
    frame = pd.DataFrame(rows)
    return frame[[column.name for column in schema.columns if column.name in frame]]


def history_table(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return the tidy history `run, step, epoch, metric, value`, in the order of the runs."""
    parts: list[tuple[str, str, int]] = []
    steps, epochs, values = [], [], []
    for outcome in outcomes:
        steps_per_epoch = outcome.steps / outcome.epochs if outcome.epochs else 1.0
        for metric, series in outcome.history.items():
            parts.append((outcome.run, metric, len(series.steps)))
            steps.append(series.steps)
            epochs.append(series.steps / steps_per_epoch)
            values.append(series.values)
    counts = [count for _, _, count in parts]
    return pd.DataFrame(
        {
            RUN: np.repeat(np.array([p[0] for p in parts], dtype=object), counts),
            STEP: np.concatenate(steps) if steps else np.array([], dtype=np.int64),
            EPOCH: np.concatenate(epochs) if epochs else np.array([]),
            METRIC: np.repeat(np.array([p[1] for p in parts], dtype=object), counts),
            VALUE: np.concatenate(values) if values else np.array([]),
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
    return pd.DataFrame(rows, columns=MATRICES.names)


def write_tables(folder: Path, plan: Plan, pairs: Pairs, claims: pd.DataFrame) -> list[Path]:
    """Write `results.csv`, `history.csv` and, where there are any, `matrices.csv` and `claims.csv` into the folder.

    Where pyarrow can be imported, each is written as `.parquet`, too. Last comes `tables.json`, which says what they
    hold. Claims that were judged before and are not now are removed.
    """
    schema = with_outcomes(plan.schema, (outcome for _, outcome in pairs))
    ended = {run.id: outcome for run, outcome in pairs}
    rows = [
        row_of_run(columns, ended[run.id], plan.goals, plan.comparison_of(run))
        for run, columns in zip(plan.rows, plan.columns, strict=True)
        if run.id in ended
    ]
    tables = {"results": runs_table(rows, schema), "history": history_table(outcome for _, outcome in pairs)}
    if any(run.settings.matrices for run, _ in pairs):
        tables["matrices"] = matrices_table(pairs)
    if len(claims):
        tables["claims"] = claims
    else:
        for old in folder.glob("claims.*"):
            old.unlink()
    written = [replace_file(folder / f"{name}.csv", partial(write_csv, table)) for name, table in tables.items()]
    return [*written, *_write_parquet_files(folder, tables), write_description(folder, schema)]


def _write_parquet_files(folder: Path, tables: dict[str, pd.DataFrame]) -> list[Path]:
    """Write tables as `.parquet` if pyarrow is installed; where it is broken, a note says so, and there are none."""
    if find_package("pyarrow") is None:
        return []
    written = []
    try:
        for name, table in tables.items():
            written.append(replace_file(folder / f"{name}.parquet", partial(_write_parquet, table)))
    except (OutputError, OSError):  # the disk
        raise
    except (Exception, SystemExit) as error:
        names = ", ".join(f"{name}.parquet" for name in tables)
        why = f"{type(error).__name__}: {words_of(error)[:300]}"
        note(f"not written: {names}; the CSV files have the same. {said_of_broken('pyarrow', why)}, or uninstall it")
        for name in tables:  # of an earlier call: it would show other numbers than the CSV file
            (folder / f"{name}.parquet").unlink(missing_ok=True)
        return []
    return written


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    import pyarrow  # noqa: F401 - pandas tells its absence in other words

    table.apply(_of_one_type).to_parquet(path, engine="pyarrow", index=False)


def _of_one_type(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column with its values as text where they are of several types, as settings of alternatives may be."""
    types = {type(value) for value in column.dropna()} if column.dtype == object else set()
    return column.map(str, na_action="ignore") if len(types) > 1 and not types <= {int, float} else column
