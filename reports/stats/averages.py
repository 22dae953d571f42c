"""Averages over seeds, and how far the seeds leave them open: bootstrap intervals."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import trim_mean
from xprun.runner.results.results_schema import VALUE

RESAMPLES = 2000
CONFIDENCE = 0.95
AT_ONCE = 2**22  # numbers drawn at a time: 32 MB

Statistic = Callable[[np.ndarray], np.ndarray]  # of the last axis


def mean(values: np.ndarray) -> np.ndarray:
    """The mean of the last axis."""
    return np.asarray(values.mean(axis=-1))


def median(values: np.ndarray) -> np.ndarray:
    """The median of the last axis."""
    return np.asarray(np.median(values, axis=-1))


def inter_quartile_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half of the last axis; of fewer than four values, of all.

    Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice (2021), section 4.3.
    """
    return np.asarray(trim_mean(values, 0.25, axis=-1))


def bootstrap(values: np.ndarray, statistic: Statistic = mean, strata: list[int] | None = None) -> np.ndarray:
    """95% percentile intervals [G, 2] of a statistic of each row of `values` [G, n]; NaN for fewer than two values.

    2,000 resamples from a fixed seed, the same for every row (Efron, Bootstrap methods, 1979). With five values such
    an interval is too narrow: it holds the true mean about 83% of the time, not 95%. `strata`: sizes, n in all, of
    groups of neighbours that are each drawn anew from themselves; NaN where none has two values.
    """
    groups, n = values.shape
    sizes = strata or [n]
    if max(sizes) < 2:
        return np.full((groups, 2), np.nan)
    random = np.random.default_rng(0)
    starts = np.cumsum([0, *sizes[:-1]])
    drawn = [start + random.integers(size, size=(RESAMPLES, size)) for start, size in zip(starts, sizes, strict=True)]
    picks = np.concatenate(drawn, axis=1)
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    several = max(1, AT_ONCE // picks.size)
    parts = [values[i : i + several] for i in range(0, groups, several)]
    found = [np.quantile(statistic(part[:, picks]), tails, axis=-1).T for part in parts]
    return np.concatenate(found) if found else np.empty((0, 2))


def averages(judged: pd.DataFrame) -> pd.DataFrame:
    """By setting: `median` and `iqm` of the values, and the intervals of the mean, `mean_low` to `mean_high`, and
    of the inter-quartile mean, `iqm_low` to `iqm_high`.

    All NaN for a setting with a bad run: the others alone would flatter it.
    """
    table = pd.DataFrame(index=pd.Index(judged["setting"].unique(), name="setting"), dtype="float64")
    table[["median", "iqm", "mean_low", "mean_high", "iqm_low", "iqm_high"]] = np.nan
    for settings, values in _by_size(judged):
        table.loc[settings, "median"] = np.median(values, axis=-1)
        table.loc[settings, "iqm"] = inter_quartile_mean(values)
        table.loc[settings, ["mean_low", "mean_high"]] = bootstrap(values)
        table.loc[settings, ["iqm_low", "iqm_high"]] = bootstrap(values, inter_quartile_mean)
    return table


def _by_size(judged: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Settings without bad runs, those with equally many runs together: their numbers [G] and values [G, n]."""
    groups = judged.groupby("setting", sort=False)
    facts = pd.DataFrame({"size": groups.size(), "bad": groups["bad"].any()})
    found = []
    for size, alike in facts[~facts["bad"]].groupby("size"):
        rows = judged[judged["setting"].isin(alike.index)].sort_values("setting", kind="stable")
        found.append((rows["setting"].unique(), rows[VALUE].to_numpy().reshape(-1, int(str(size)))))
    return found
