"""Curves over the seeds: from the history of runs to one aggregated line an alternative."""

import numpy as np
import pandas as pd
from xprun.runner.results.results_schema import DIVERGED, EPOCH, METRIC, RUN, STATUS, STEP, STOPPED, VALUE

BINS = 200


def curves(history: pd.DataFrame, judged: pd.DataFrame, metric: str, bins: int = BINS) -> pd.DataFrame:
    """One row an alternative and bin of steps: `alternative`, `step`, `mean`, `low`, `high`, `bad` (has a bad run).

    `judged`: the runs to draw. Each run is averaged within a bin (at most `bins` of equal width, so that a bin is one
    step in a short run); mean, low and high are over the runs. A run that a stop rule ended keeps its last value as
    long as others of the alternative go on, in rows that are `carried`. A line ends where the first bad run ends.
    """
    rows = history[(history[METRIC] == metric) & history[RUN].isin(judged[RUN])]
    binned = _carry_on(_bin(rows, bins), judged)
    binned["alternative"] = binned[RUN].map(judged.set_index(RUN)["alternative"])
    lines = binned.groupby(["alternative", "bin"], sort=False)
    found = {"mean": (VALUE, "mean"), "low": (VALUE, "min"), "high": (VALUE, "max"), "n": (VALUE, "count")}
    found["carried"] = ("carried", "any")
    table = lines.agg(**{STEP: (STEP, "mean")}, **found)
    table = table.reset_index()
    size = judged["alternative"].value_counts()
    whole = table["n"] == table["alternative"].map(size)
    table["bad"] = table["alternative"].map(judged.groupby("alternative")["bad"].any()).astype(bool)
    return table[whole].drop(columns=["bin", "n"]).sort_values(["alternative", STEP], ignore_index=True)


def steps_of_an_epoch(history: pd.DataFrame, judged: pd.DataFrame) -> float | None:
    """How many steps an epoch has, where that is the same for all runs to draw; None elsewhere."""
    rows = history[history[RUN].isin(judged[RUN]) & (history[EPOCH] > 0)] if EPOCH in history else history.iloc[:0]
    last = rows.groupby(RUN, observed=True)[[STEP, EPOCH]].last()
    sizes = (last[STEP] / last[EPOCH]).round(3)
    return float(sizes.iloc[0]) if sizes.nunique() == 1 and sizes.iloc[0] > 1 else None


def divergences(history: pd.DataFrame, judged: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a diverged run: `alternative`, `step` and the last finite `value` before it diverged."""
    lost = judged[judged[STATUS] == DIVERGED].set_index(RUN)["alternative"]
    rows = history[(history[METRIC] == metric) & history[RUN].isin(lost.index) & np.isfinite(history[VALUE])]
    last = rows.sort_values(STEP, kind="stable").groupby(RUN, observed=True)[[STEP, VALUE]].last()
    found: pd.DataFrame = last.assign(alternative=lost.reindex(last.index.astype(str)).to_numpy())
    return found.reset_index(drop=True)


def _carry_on(binned: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """The bins of each run and, of one that a stop rule ended, its last value in those that others still have."""
    binned = binned.assign(carried=False)
    stopped = judged.loc[judged[STATUS] == STOPPED, [RUN, "alternative"]] if STATUS in judged else judged.iloc[:0]
    whose = binned[RUN].map(judged.set_index(RUN)["alternative"])
    parts = [binned]
    for run, alternative in stopped.itertuples(index=False):
        own, all_bins = binned[binned[RUN] == run], binned[whose == alternative].groupby("bin")[STEP].mean()
        if len(own):
            later = all_bins[all_bins.index > own["bin"].max()]
            last = own[VALUE].iloc[-1]
            parts.append(pd.DataFrame({RUN: run, "bin": later.index, STEP: later, VALUE: last, "carried": True}))
    return pd.concat(parts, ignore_index=True)


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
