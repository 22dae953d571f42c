"""The changes between two result folders in words: a table, and sentences on what it cannot decide."""

import math
from typing import Any

import pandas as pd
from xprun.reports.data.results_folder import Tables
from xprun.reports.presentation.formatting import (
    Listing,
    counted,
    exact,
    intervals,
    listing,
    numbers,
    texts,
    value_text,
)
from xprun.reports.stats.folder_changes import BLOCKS_NEEDED, BROKEN, INCONCLUSIVE, MISSING, WORSE
from xprun.runner.results.results_schema import RUN


def undecided(table: pd.DataFrame, *, ascending: bool) -> list[str]:
    """A sentence for each inconclusive alternative whose mean is worse by more than is tolerated."""
    worse = table["change"] * (1 if ascending else -1)
    rows = table[(table["finding"] == INCONCLUSIVE) & (worse > table["tolerated"])]
    return [_doubt(row) for row in rows.itertuples()]


def unfinished(first: Tables, second: Tables) -> list[str]:
    """What is to be said of folders that lack some of the runs that were planned."""
    return [
        f"The {which} folder is not finished: it has {found} of {tables.schema.planned} planned runs."
        for which, tables in (("first", first), ("second", second))
        if (found := tables.runs[RUN].nunique()) < tables.schema.planned
    ]


def difference_listing(table: pd.DataFrame) -> Listing:
    """The comparison as text."""
    like = [table[name] for name in ("first", "second", "change", "low", "high")]
    columns = [
        texts("alternative", table["alternative"]),
        texts("setting", table["setting"]),
        numbers("first", table["first"], like=like),
        numbers("second", table["second"], like=like),
        numbers("change", table["change"], like=like),
        intervals("90% interval", table["low"], table["high"], like=like),
        exact("seeds", table["n"]),
        texts("finding", [_words(row) for row in table.itertuples()]),
    ]
    return listing(columns)


def _words(row: Any) -> str:
    if row.finding == MISSING:
        return "missing from the second folder"
    if row.finding == BROKEN:
        return f"{row.broken} of {row.n} now fail or diverge"
    if row.finding == WORSE:
        return "worse beyond tolerance" if row.tolerated else "worse"
    if row.finding == INCONCLUSIVE:
        return f"inconclusive ({counted(row.n, 'seed')}{_would_show(row)})"
    return str(row.finding)


def _doubt(row: Any) -> str:
    n = counted(row.n, "seed")
    size = value_text(abs(row.change))
    return f"{row.alternative}: worse by {size} on average, and {n} cannot say whether that is chance{_would_show(row)}"


def _would_show(row: Any) -> str:
    if row.n < BLOCKS_NEEDED:
        return f"; {BLOCKS_NEEDED} are needed"
    return f"; changes above {value_text(float(f'{row.shows:.2g}'))} would show" if 0 < row.shows < math.inf else ""
