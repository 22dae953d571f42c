"""Curves over the seeds: from the history of runs to one aggregated line an alternative."""

import numpy as np
import pandas as pd
from xprun.runner.results.results_schema import METRIC, RUN, STEP, VALUE

BINS = 200


def curves(history: pd.DataFrame, judged: pd.DataFrame, metric: str, bins: int = BINS) -> pd.DataFrame:
    """One row an alternative and bin of steps: `alternative`, `step`, `mean`, `low`, `high`, `bad` (has a bad run).

    `judged`: the runs to draw. Each run is averaged within a bin (at most `bins` of equal width, so that a bin is one
    step in a short run); mean, low and high are over the runs. A line ends where the first of its runs ends.
    """
    rows = history[(history[METRIC] == metric) & history[RUN].isin(judged[RUN])]
    binned = _bin(rows, bins)
    binned["alternative"] = binned[RUN].map(judged.set_index(RUN)["alternative"])
    lines = binned.groupby(["alternative", "bin"], sort=False)
    found = {"mean": (VALUE, "mean"), "low": (VALUE, "min"), "high": (VALUE, "max"), "n": (VALUE, "count")}
    table = lines.agg(**{STEP: (STEP, "mean")}, **found)
    table = table.reset_index()
    size = judged["alternative"].value_counts()
    whole = table["n"] == table["alternative"].map(size)
    table["bad"] = table["alternative"].map(judged.groupby("alternative")["bad"].any()).astype(bool)
    return table[whole].drop(columns=["bin", "n"]).sort_values(["alternative", STEP], ignore_index=True)


def _bin(rows: pd.DataFrame, bins: int) -> pd.DataFrame:
    """One row a run and bin: `run`, `bin`, mean `step`, mean `value`; NaN where any value in the bin is not finite."""
    width = max(1, -(-int(rows[STEP].max()) // bins)) if len(rows) else 1
    value = rows[VALUE].where(np.isfinite(rows[VALUE]))
    table = pd.DataFrame({RUN: rows[RUN].astype(str), "bin": (rows[STEP] - 1) // width, STEP: rows[STEP], VALUE: value})
    groups = table.groupby([RUN, "bin"], sort=False)
    means = groups.agg(**{name: (name, "mean") for name in (STEP, VALUE)}, size=(STEP, "size"), finite=(VALUE, "count"))
    means[VALUE] = means[VALUE].where(means["size"] == means["finite"])
    return means.reset_index()


def sensitivity(summary: pd.DataFrame, key: str) -> pd.DataFrame:
    """One row an alternative and value of `key`: its best row in `summary`, over the other settings. Sorted by value.

    Columns of `summary`, with `key` renamed to `x`. Alternatives without this setting are absent.
    """
    best = summary.dropna(subset=[key]).drop_duplicates(["alternative", key])
    return best.rename(columns={key: "x"}).sort_values(["alternative", "x"], ignore_index=True)
