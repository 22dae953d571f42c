"""The one ranking, which pages, `xprun diff` and notebooks share: pure functions from table to table.

A run that failed, diverged, or has no finite value is worse than every other, whatever is compared.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison, joined_labels, read_comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.stats.averages import averages
from xprun.runner.results.results_schema import (
    CONFIRM,
    ENDED_WELL,
    METRIC,
    PROBLEM,
    RUN,
    SEARCH,
    SECONDS,
    SEED,
    STAGE,
    STATUS,
    STATUSES,
    VALUE,
)
from xprun.runner.results.rounding import SINGLE
from xprun.runner.results.setting_choice import merit

SAME = 4 * SINGLE  # relative, between means of which some may have been rounded otherwise


def judge(runs: pd.DataFrame, comparison: Comparison, column: str | None = None) -> pd.DataFrame:
    """`runs` with five more columns.

    `alternative`: its label. `setting`: a number that runs share when only their seed, or what repeats, differs.
    `block`: what runs share that are to be compared with each other, of the same seed, split and fold. `value`: what
    is compared (`column`, by default that by which settings are chosen), NaN where it is not finite. `bad`: the run
    failed, diverged or timed out, or has no value.
    """
    keys = [runs[name] for name in [*comparison.by, *comparison.keys]]
    blocks = [runs[name] for name in [SEED, *comparison.repeats]]
    told = runs.copy().assign(  # in one piece: the parameters of many problems are many columns
        alternative=joined_labels(runs, comparison.by),
        setting=runs.groupby(keys, sort=False, dropna=False).ngroup(),
        block=runs.groupby(blocks, sort=False, dropna=False).ngroup(),
    )
    return valued(told, column or comparison.chosen_by)


def valued(judged: pd.DataFrame, column: str) -> pd.DataFrame:
    """Judged runs with the values of another column."""
    value = judged[column].astype("float64")
    value = value.where(np.isfinite(value))
    return judged.assign(bad=~judged[STATUS].isin(ENDED_WELL) | value.isna(), **{VALUE: value})


def comparable(judged: pd.DataFrame, comparison: Comparison) -> pd.Series:
    """The values of judged runs, an infinity, the worst of all, where they are bad."""
    return judged[VALUE].where(~judged["bad"], np.inf if comparison.ascending else -np.inf)


def summarise(judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """One row a setting of an alternative, best first; ties stay in the order of the runs.

    Columns: `setting` (index), `alternative`, the keys, `runs`, `bad`, one count a status, and over the repeats `n`,
    `mean`, `sd` (n - 1; NaN for one), `low`, `high`, `seconds` (median) and those of `averages`. A
    setting with a bad run has no mean: the survivors alone would flatter it, so it comes after all the others. The
    order is that by which settings are chosen for the second stage.
    """
    table = _aggregate(judged, comparison.keys).join(averages(judged))
    table.loc[table["bad"] > 0, ["mean", "sd", "low", "high"]] = np.nan
    values = judged[VALUE].where(~judged["bad"]).groupby(judged["setting"], sort=False).agg(list)
    merits = {setting: merit(several, comparison.goal) for setting, several in values.items()}
    return table.loc[sorted(table.index, key=merits.__getitem__)]


def _aggregate(judged: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    counts = {status: judged[STATUS].eq(status) for status in STATUSES}
    groups = judged.assign(**counts).groupby("setting", sort=False)
    return groups.agg(
        alternative=("alternative", "first"),
        runs=(RUN, "size"),
        bad=("bad", "sum"),
        n=(VALUE, "count"),
        mean=(VALUE, "mean"),
        sd=(VALUE, "std"),
        low=(VALUE, "min"),
        high=(VALUE, "max"),
        **{SECONDS: (SECONDS, "median")},
        **{name: (name, "first") for name in keys},
        **{status: (status, "sum") for status in STATUSES},
    )


def final_runs(judged: pd.DataFrame, summary: pd.DataFrame, comparison: Comparison) -> tuple[pd.DataFrame, bool]:
    """The runs that stand for the alternatives, valued by what is reported, and whether they confirm the search.

    They do where each alternative that the search has not seen fail has runs on fresh seeds: then these, and of the
    others those of the search. Elsewhere they are the runs of the search at the setting that it chooses.
    """
    chosen = summary.drop_duplicates("alternative")
    fresh = judged[judged[STAGE] == CONFIRM]
    hopeless = chosen.loc[chosen["bad"] == chosen["runs"], "alternative"]
    confirmed = len(fresh) > 0 and set(chosen["alternative"]) <= {*fresh["alternative"], *hopeless}
    searched = judged[(judged[STAGE] == SEARCH) & judged["setting"].isin(chosen.index)]
    finals = searched
    if confirmed:
        finals = pd.concat([fresh, searched[~searched["alternative"].isin(fresh["alternative"])]])
    return valued(finals, comparison.shown_column), confirmed


def rank(finals: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """One row an alternative, at its chosen setting, best first; equals share the better rank (1, 1, 3).

    `finals`: the summary of the runs that stand for the alternatives; `summary`: that of every setting. More columns:
    `rank` from 1, `tried` (settings), `all_runs` and `all_bad` (of every setting of the alternative).
    """
    groups = summary.groupby("alternative", sort=False)
    totals = groups.agg(tried=("runs", "size"), all_runs=("runs", "sum"), all_bad=("bad", "sum"))
    best = finals.drop_duplicates("alternative").join(totals, on="alternative")
    place = pd.Series(np.arange(1, len(best) + 1), index=best.index)
    score = best["mean"].fillna(np.inf)  # without a mean: the last rank
    # Equal runs that trained alone and together differ in the last digits.
    ties = np.isclose(score, score.shift(), rtol=SAME, atol=0.0)
    return best.assign(rank=place.where(~ties).ffill().astype(int))


def rank_settings(tables: Tables) -> pd.DataFrame:
    """One row a setting of each alternative, on each problem, the best first: what a notebook shows.

    The columns that tell settings apart, the mean of the final metric compared, under its own name, its `sd` over the
    seeds, and how many of the `runs` have `ended` well. A setting of which one has not has no mean and comes last.
    """
    comparison = _with_problems(read_comparison(tables))

    def of_problem(judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
        return summarise(judged[judged[STAGE] == SEARCH], comparison)

    return _by_problem(tables, comparison, of_problem, comparison.chosen_by)


def rank_alternatives(tables: Tables) -> pd.DataFrame:
    """One row an alternative at its chosen setting, on each problem, the best first: as the report ranks them.

    The columns that tell settings apart, the mean of what is reported, under the name of its column, its `sd` over the
    seeds, how many of the `runs` have `ended` well, the `stage` of these runs, and the `rank` (1, 1, 3).
    """
    comparison = _with_problems(read_comparison(tables))

    def of_problem(judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
        summary = summarise(judged[judged[STAGE] == SEARCH], comparison)
        finals, _ = final_runs(judged, summary, comparison)
        stages = finals.groupby("setting")[STAGE].last()
        return rank(summarise(finals, comparison), summary).join(stages)

    return _by_problem(tables, comparison, of_problem, comparison.shown_column, STAGE, "rank")


def _with_problems(comparison: Comparison) -> Comparison:
    """The comparison whose keys tell a row from all others: the problem and the alternative, too."""
    keys = dict.fromkeys([*comparison.problems, *comparison.by, *comparison.keys])
    return replace(comparison, keys=list(keys))


def _by_problem(
    tables: Tables,
    comparison: Comparison,
    of_problem: Callable[[pd.DataFrame, Comparison], pd.DataFrame],
    mean: str,
    *more: str,
) -> pd.DataFrame:
    """One table of what is made of the judged runs of each problem, for a notebook.

    `mean` is what its mean is of; over problems with metrics of their own it stays `mean`, and `metric` names them.
    """
    if comparison.is_mixed:
        groups = [(comparison.on(str(label)), runs) for label, runs in tables.runs.groupby(PROBLEM, sort=False)]
        found = [of_problem(judge(runs, one), one).assign(**{METRIC: one.shown}) for one, runs in groups]
        mean, more = "mean", (METRIC, *more)
    else:
        judged = judge(tables.runs, comparison)
        problems = judged.groupby(comparison.problems, sort=False) if comparison.problems else [("", judged)]
        found = [of_problem(runs, comparison) for _, runs in problems]
    table = pd.concat(found)
    table = table.assign(ended=table["runs"] - table["bad"]).rename(columns={"mean": mean})
    return table[[*comparison.keys, mean, "sd", "ended", "runs", *more]].reset_index(drop=True)


def at_edge(summary: pd.DataFrame, ranking: pd.DataFrame, key: str) -> pd.DataFrame:
    """The alternatives whose best `key` is the smallest or largest of at least three values that they tried.

    Columns: `alternative`, `value`, `end` ("smallest" or "largest").
    """
    tried = summary.groupby("alternative")[key].agg(["nunique", "min", "max"])
    table = ranking[["alternative", key]].rename(columns={key: VALUE}).join(tried, on="alternative")
    table["end"] = np.select([table[VALUE] == table["min"], table[VALUE] == table["max"]], ["smallest", "largest"], "")
    inside = (table["nunique"] < 3) | (table["end"] == "") | ranking["mean"].isna()
    return table.loc[~inside, ["alternative", VALUE, "end"]]
