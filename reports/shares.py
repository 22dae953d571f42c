"""How large a share has arrived where: empirical distributions, in which what never arrives keeps a line below all."""

import numpy as np
import pandas as pd


def shares(values: pd.Series, alternatives: pd.Series, start: float, end: float) -> pd.DataFrame:
    """The share of each alternative's values that are at most x: `alternative`, `x`, `share`, from `start` to `end`.

    One row where a share rises, and one at both ends. Infinite values, and NaN, are never reached.
    """
    groups = values.groupby(alternatives, sort=False)
    tables = [_rises(group.to_numpy(), start, end).assign(alternative=name) for name, group in groups]
    columns = ["alternative", "x", "share"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _rises(values: np.ndarray, start: float, end: float) -> pd.DataFrame:
    x, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    share = np.cumsum(counts) / len(values)
    last = share[-1] if len(share) else 0.0
    rises = pd.DataFrame({"x": [start, *x, end], "share": [0.0, *share, last]})
    return rises.drop_duplicates("x", keep="last")
