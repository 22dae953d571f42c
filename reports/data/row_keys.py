"""Runs that a spec has under several labels: each of their rows gets what was measured, under a key of its own."""

from dataclasses import replace

import pandas as pd
from xprun.reports.data.results_folder import Tables
from xprun.runner.results.results_schema import FITTED_CURVE, RUN, SERIES, ResultsSchema

RUN_ID = "run id"  # the run of a row; `run` is the key of the row from here on


def with_row_keys(tables: Tables) -> Tables:
    """Return the tables with a key for each row of `runs` in the column `run` of all of them, and the id in `RUN_ID`.

    A run has one row under each of its labels, and one history. Its first row keeps the id as key; for the others what
    was measured is copied, so that an alternative is judged and drawn by all of its runs, whoever shares them.
    """
    ids = tables.runs[RUN]
    number = ids.groupby(ids, sort=False).cumcount()
    keys = ids.where(number == 0, ids + " #" + (number + 1).astype(str))
    tables = replace(tables, runs=tables.runs.assign(**{RUN_ID: ids, RUN: keys}))
    if not number.any():
        return tables
    more = pd.DataFrame({RUN: ids[number > 0], "key": keys[number > 0]})
    fitted = tables.fits[tables.fits[SERIES] == FITTED_CURVE]  # data and truth are those of the data set
    return replace(
        tables,
        schema=_schema(tables.schema, more),
        history=_copied(tables.history, more),
        matrices=_copied(tables.matrices, more),
        samples=_copied(tables.samples, more),
        fits=pd.concat([tables.fits[tables.fits[SERIES] != FITTED_CURVE], _copied(fitted, more)], ignore_index=True),
    )


def distinct_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each run of the rows of an analysis."""
    return rows.drop_duplicates(RUN_ID)


def _copied(table: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its rows once more for each further key of a run."""
    plain = table.astype({RUN: "object"})
    copies = plain.merge(more, on=RUN).drop(columns=RUN).rename(columns={"key": RUN})
    return pd.concat([plain, copies[list(table)]], ignore_index=True).astype({RUN: table[RUN].dtype.name})


def _schema(schema: ResultsSchema, more: pd.DataFrame) -> ResultsSchema:
    keys = {str(run): list(group) for run, group in more.groupby(RUN)["key"]}

    def rows_of(runs: list[str]) -> list[str]:
        return [*runs, *(key for run in runs for key in keys.get(run, ()))]

    shared = {kind: list(map(rows_of, groups)) for kind, groups in schema.shared.items()}
    classes = [replace(known, runs=rows_of(known.runs)) for known in schema.classes]
    return replace(schema, shared=shared, classes=classes)
