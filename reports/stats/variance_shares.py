"""Where the spread of an alternative's runs comes from: the seed, the split, the fold, or all of them together."""

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.runner.results.results_schema import SEED, VALUE

REST = "rest"


def variance_shares(finals: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """One row an alternative: `alternative` and, for the seed and each repeat, its share of the variance; and the rest.

    A share is the sum of squares of the means by that source over the whole sum of squares: the main effects of an
    analysis of variance, exact where every seed meets every split. NaN where a run is bad, or nothing varies.
    Bouthillier et al., Accounting for variance in machine learning benchmarks (2021).
    """
    sources = [SEED, *comparison.repeats]
    rows = [
        {"alternative": name, **_shares(runs, sources)}
        for name, runs in finals.groupby("alternative", sort=False)
        if len(runs) > 1
    ]
    return pd.DataFrame(rows, columns=["alternative", *sources, REST])


def _shares(runs: pd.DataFrame, sources: list[str]) -> dict[str, float]:
    values = runs[VALUE].mask(runs["bad"])
    whole = float(((values - values.mean()) ** 2).sum())
    if values.isna().any() or not whole:
        return dict.fromkeys([*sources, REST], np.nan)
    means = {source: values.groupby(runs[source]).transform("mean") for source in sources}
    shares = {source: float(((mean - values.mean()) ** 2).sum()) / whole for source, mean in means.items()}
    return {**shares, REST: max(0.0, 1 - sum(shares.values()))}
