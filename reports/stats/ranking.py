"""Statistics of a comparison: pure functions from table to table, which invent nothing and drop nothing."""

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison
from xprun.reports.stats.averages import averages

STATUSES = ("done", "stopped", "diverged", "failed", "timeout")
ENDED_WELL = ("done", "stopped")


def judge(runs: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """`runs` with four more columns.

    `alternative`: its label. `setting`: a number that runs share when only their seed differs. `value`: the final
    metric compared, NaN where it is not finite. `bad`: the run failed, diverged or timed out, or has no value.
    """
    value = runs[f"final.{comparison.metric}"].astype("float64")
    value = value.where(np.isfinite(value))
    keys = [runs[name] for name in [*comparison.by, *comparison.keys]]
    return runs.assign(
        alternative=runs[comparison.by].agg(" · ".join, axis=1),
        setting=runs.groupby(keys, sort=False, dropna=False).ngroup(),
        value=value,
        bad=~runs["status"].isin(ENDED_WELL) | value.isna(),
    )


def summarise(judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """One row a setting of an alternative, best first; ties stay in the order of the runs.

    Columns: `setting` (index), `alternative`, the keys, `runs`, `bad`, one count a status, and over the seeds `n`,
    `mean`, `sd` (n - 1; NaN for one seed), `low`, `high`, `seconds` (median) and those of `intervals.averages`. A
    setting with a bad run has no mean: the survivors alone would flatter it, so it comes after all the others.
    """
    table = _aggregate(judged, comparison.keys).join(averages(judged))
    table.loc[table["bad"] > 0, ["mean", "sd", "low", "high"]] = np.nan
    table["share"] = table["bad"] / table["runs"]
    order = ["share", "mean"]
    return table.sort_values(order, ascending=[True, comparison.ascending], kind="stable").drop(columns="share")


def _aggregate(judged: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    counts = {status: judged["status"].eq(status) for status in STATUSES}
    groups = judged.assign(**counts).groupby("setting", sort=False)
    return groups.agg(
        alternative=("alternative", "first"),
        runs=("run", "size"),
        bad=("bad", "sum"),
        n=("value", "count"),
        mean=("value", "mean"),
        sd=("value", "std"),
        low=("value", "min"),
        high=("value", "max"),
        seconds=("seconds", "median"),
        **{name: (name, "first") for name in keys},
        **{status: (status, "sum") for status in STATUSES},
    )


def rank(summary: pd.DataFrame) -> pd.DataFrame:
    """One row an alternative, at its best setting, best first; equals share a rank.

    More columns: `rank` from 1, `tried` (settings), `all_runs` and `all_bad` (of every setting of the alternative).
    """
    groups = summary.groupby("alternative", sort=False)
    totals = groups.agg(tried=("runs", "size"), all_runs=("runs", "sum"), all_bad=("bad", "sum"))
    best = summary.drop_duplicates("alternative").join(totals, on="alternative")
    place = pd.Series(np.arange(1, len(best) + 1), index=best.index)
    score = best["mean"].map(lambda mean: float(f"{mean:.12g}")).fillna(np.inf)  # without a mean: the last rank
    return best.assign(rank=place.where(score.ne(score.shift())).ffill().astype(int))


def at_edge(summary: pd.DataFrame, ranking: pd.DataFrame, key: str) -> pd.DataFrame:
    """The alternatives whose best `key` is the smallest or largest of at least three values that they tried.

    Columns: `alternative`, `value`, `end` ("smallest" or "largest").
    """
    tried = summary.groupby("alternative")[key].agg(["nunique", "min", "max"])
    table = ranking[["alternative", key]].rename(columns={key: "value"}).join(tried, on="alternative")
    table["end"] = np.select(
        [table["value"] == table["min"], table["value"] == table["max"]], ["smallest", "largest"], ""
    )
    inside = (table["nunique"] < 3) | (table["end"] == "") | ranking["mean"].isna()
    return table.loc[~inside, ["alternative", "value", "end"]]
