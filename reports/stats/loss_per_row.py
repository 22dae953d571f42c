"""What losses that add up over the rows come to for one of them, which no size of a data set or a batch changes."""

import pandas as pd
from xprun.runner.results.results_schema import LOSS, LOSS_PER_ROW, final


def loss_per_row(runs: pd.DataFrame, metric: str) -> pd.Series | None:
    """By setting, the mean of the final loss per row, for a `metric` that is a loss; None where none is a sum."""
    head, _, name = metric.rpartition(".")
    column = final(f"{head}.{LOSS_PER_ROW}" if head else LOSS_PER_ROW)
    if name != LOSS or column not in runs or runs[column].isna().all():
        return None
    means: pd.Series = runs.groupby("setting", sort=False)[column].mean()
    return means
