"""Several problems, such as data sets: how the alternatives stand on each, and on all of them together.

A problem is one combination of the sections that are not compared. Seeds are repeats of a problem.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison, joined_labels
from xprun.reports.stats.averages import inter_quartile_mean
from xprun.reports.stats.intervals import stratified_interval
from xprun.runner.results.results_schema import PROBLEM, VALUE

DECADES = 2.0


def problem_of(runs: pd.DataFrame, comparison: Comparison) -> pd.Series:
    """The label of each run's problem."""
    return joined_labels(runs, comparison.problems)


def rank_table(rankings: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Ranks [problems, alternatives] from 1, from the ranking of each problem; equals share the better (1, 1, 3).

    An alternative without a run, or with bad runs at every setting, shares the last ranks. Alternatives are sorted
    by mean rank; equals stay in the order in which they appear.
    """
    names = list(dict.fromkeys(name for ranking in rankings.values() for name in ranking["alternative"]))
    rows = {problem: _ranks(ranking, names) for problem, ranking in rankings.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    return table[table.mean().sort_values(kind="stable").index]


def scores(judged: dict[str, pd.DataFrame], names: list[str], comparison: Comparison) -> pd.DataFrame:
    """One row a run: `problem`, `alternative`, `bad`, and `score` from 0, the worst value on a problem, to 1, the best.

    `judged`: the runs of each problem, of every alternative at its best setting. The scale between is that of the
    metric, or its logarithm where the values of a problem, all positive, spread over more than two decades. A run that
    failed or diverged has 0; an alternative without a run has one run of 0.
    """
    parts = [_scores(runs, comparison.on(problem)).assign(**{PROBLEM: problem}) for problem, runs in judged.items()]
    table = pd.concat(parts, ignore_index=True)[[PROBLEM, "alternative", "bad", "score"]]
    there = set(zip(table[PROBLEM], table["alternative"], strict=True))
    absent = [(problem, name, True, 0.0) for problem in judged for name in names if (problem, name) not in there]
    return pd.concat([table, pd.DataFrame(absent, columns=table.columns)], ignore_index=True) if absent else table


def averages_over(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """By alternative: the mean over the problems of its mean score, with its 95% interval, `mean_low` to `mean_high`;
    and `median` and `iqm` of its scores on all problems.

    See `stratified_interval`: it says what other seeds would change, not other problems.
    """
    rows: dict[str, dict[str, float]] = {}
    for name in names:
        groups = [group.to_numpy() for _, group in table[table["alternative"] == name].groupby(PROBLEM)["score"]]
        values = np.concatenate(groups)
        low, high = stratified_interval(groups)
        mean = float(np.mean([group.mean() for group in groups]))
        rows[name] = {"mean": mean, "mean_low": low, "mean_high": high}
        rows[name] |= {"median": float(np.median(values)), "iqm": float(inter_quartile_mean(values))}
    return pd.DataFrame.from_dict(rows, orient="index")


def _ranks(ranking: pd.DataFrame, names: list[str]) -> np.ndarray:
    place = ranking.set_index("alternative")["rank"].astype("float64")
    well = ranking.set_index("alternative")["mean"].notna()
    return place.where(well, np.inf).reindex(names).fillna(np.inf).rank(method="min").to_numpy()


def _scores(runs: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    value = runs[VALUE].mask(runs["bad"])
    score = score_scale(value, comparison)(value)
    return pd.DataFrame({"alternative": runs["alternative"], "bad": runs["bad"], "score": score})


def score_scale(values: pd.Series, comparison: Comparison) -> Callable[[pd.Series], pd.Series]:
    """Return what gives values of a problem their scores, from 0 to 1, by those of its runs; NaN has 0."""
    is_wide = bool((values.dropna() > 0).all()) and values.max() > values.min() * 10**DECADES
    low, high = (np.log(values) if is_wide else values).agg(["min", "max"])

    def score(found: pd.Series) -> pd.Series:
        value = np.log(found.where(found > 0, np.exp(low))) if is_wide else found
        share: Any = (value - low) / (high - low) if high > low else value.notna().astype("float64")
        share = 1 - share if comparison.ascending and high > low else share
        scores: pd.Series = share.clip(0.0, 1.0).where(found.notna()).fillna(0.0)
        return scores

    return score
