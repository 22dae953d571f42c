"""Averages over repeats, and how far these leave the mean open."""

import numpy as np
import pandas as pd
from xprun.reports.stats.intervals import mean_interval
from xprun.runner.results.results_schema import VALUE


def inter_quartile_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half of the last axis; of fewer than four values, of all.

    Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice (2021), section 4.3.
    """
    cut = values.shape[-1] // 4
    middle = np.partition(values, (cut, values.shape[-1] - cut - 1), axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(middle.mean(axis=-1))


def averages(judged: pd.DataFrame) -> pd.DataFrame:
    """By setting: `median` and `iqm` of the values, and the 95% interval of the mean, `mean_low` to `mean_high`.

    All NaN for a setting with a bad run: the others alone would flatter it.
    """
    table = pd.DataFrame(index=pd.Index(judged["setting"].unique(), name="setting"), dtype="float64")
    table[["median", "iqm", "mean_low", "mean_high"]] = np.nan
    for settings, values in _by_size(judged):
        table.loc[settings, "median"] = np.median(values, axis=-1)
        table.loc[settings, "iqm"] = inter_quartile_mean(values)
        table.loc[settings, ["mean_low", "mean_high"]] = mean_interval(values)
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
