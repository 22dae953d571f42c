"""Performance profiles: on how large a share of the problems an alternative is how close to the best."""

import numpy as np
import pandas as pd
from xprun.reports.stats.distributions import shares
from xprun.runner.results.results_schema import PROBLEM


def performance_profile(costs: pd.DataFrame) -> pd.DataFrame:
    """The share of the problems on which the cost of an alternative is at most x times the lowest: see `shares`.

    `costs` [problems, alternatives], all positive; infinite, or NaN, where an alternative fails. A problem on which all
    fail counts against all. Dolan and More, Benchmarking optimization software with performance profiles (2002).
    """
    ratios = costs.div(costs.min(axis=1).where(np.isfinite(costs.min(axis=1))), axis=0)
    ratios = ratios.where(np.isfinite(costs), np.inf).fillna(np.inf)
    long = ratios.melt(var_name="alternative", value_name="ratio")
    finite = long["ratio"][np.isfinite(long["ratio"])]
    profile = shares(long["ratio"], long["alternative"], 0.0, float(finite.max() * 1.05) if len(finite) else 2.0)
    return profile.assign(x=profile["x"].clip(lower=1.0)).drop_duplicates(["alternative", "x"], keep="last")


def score_profile(scores: pd.DataFrame) -> pd.DataFrame:
    """The share of an alternative's runs, each problem counting alike, whose score is within x of the best score 1.

    The run-score distribution of Agarwal et al. (2021), section 4.2, seen from the best.
    """
    short = (1 - scores["score"]).round(12)
    size = scores.groupby([PROBLEM, "alternative"])["score"].transform("size")
    weights = 1 / (size * scores[PROBLEM].nunique())
    return shares(short.mask(scores["bad"], np.inf), scores["alternative"], 0.0, 1.0, weights)
