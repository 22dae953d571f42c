"""What tuning does: how wide the good settings lie, and what the best of k tried settings is worth."""

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.stats.curve_averages import sensitivity

NEAR = 0.05
BUDGETS = 30


def moving_with(summary: pd.DataFrame, key: str, comparison: Comparison) -> dict[str, list[str]]:
    """By alternative, the settings that change whenever `key` does: nothing can be said of `key` alone there."""
    others = [name for group in comparison.linked if key in group for name in group if name != key]
    known = [name for name in dict.fromkeys(others) if name in summary]
    found = {
        str(name): [other for other in known if rows[other].nunique() > 1]
        for name, rows in summary.groupby("alternative", sort=False)
        if rows[key].nunique() > 1
    }
    return {name: partners for name, partners in found.items() if partners}


def good_widths(summary: pd.DataFrame, key: str, comparison: Comparison) -> pd.DataFrame:
    """One row an alternative that has `key`: how wide the range of good values is.

    `tried` (values), `best` (value; NaN where all are bad), `within` (values around it, without a gap, whose mean
    is within 5% of the best mean's size), `low` and `high` (their ends), `bad_low` and `bad_high` (the ends of the
    region in which runs failed or diverged; NaN without one). Each value counts with the best of the other settings.
    """
    points = sensitivity(summary, key)
    groups = dict(iter(points.groupby("alternative", sort=False)))
    order = [name for name in summary["alternative"].unique() if name in groups]
    return pd.DataFrame([{"alternative": name, **_width(groups[name], comparison)} for name in order])


def expected_best(summary: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The mean value of the best of k settings drawn at random: `alternative`, `tried` (k), `expected`.

    Without replacement, so unbiased (Tang et al., Showing your work doesn't always work, 2020; Dodge et al., 2019, draw
    with replacement). NaN for a k at which all drawn settings may have failed or diverged runs.
    """
    rows = [
        {"alternative": name, "tried": k, "expected": _expected(values, k)}
        for name, means in summary.groupby("alternative", sort=False)["mean"]
        for values in [_best_first(means, comparison)]
        for k in np.unique(np.geomspace(1, len(values), BUDGETS).round().astype(int))
    ]
    return pd.DataFrame(rows, columns=["alternative", "tried", "expected"])


def _width(points: pd.DataFrame, comparison: Comparison) -> dict[str, float]:
    x, mean = points["x"].to_numpy(dtype="float64"), points["mean"].to_numpy(dtype="float64")
    bad = x[points["bad"].to_numpy() > 0]
    found = {
        "tried": len(x),
        "bad_low": bad.min() if len(bad) else np.nan,
        "bad_high": bad.max() if len(bad) else np.nan,
    }
    if np.isnan(mean).all():
        return found | {"best": np.nan, "within": 0, "low": np.nan, "high": np.nan}
    at = int(np.nanargmin(mean) if comparison.ascending else np.nanargmax(mean))
    near = np.abs(mean - mean[at]) <= NEAR * abs(mean[at])
    gaps = np.flatnonzero(~near)
    first = gaps[gaps < at].max(initial=-1) + 1
    last = gaps[gaps > at].min(initial=len(x)) - 1
    return found | {"best": x[at], "within": int(last - first + 1), "low": x[first], "high": x[last]}


def _best_first(means: pd.Series, comparison: Comparison) -> np.ndarray:
    return means.sort_values(ascending=comparison.ascending, na_position="last").to_numpy()


def _expected(values: np.ndarray, k: int) -> float:
    """The mean of the best of k among `values`, best first: the i-th is it in C(n - 1 - i, k - 1) of C(n, k) draws."""
    n, rest = len(values), len(values) - 1 - np.arange(len(values) - k + 1)
    logarithm = _log_choose(rest, k - 1) - _log_choose(np.array(n), k)
    return float(np.exp(logarithm) @ values[: len(rest)])


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    from scipy.special import gammaln

    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
