"""How large a share has arrived where: empirical distributions, in which what never arrives keeps a line below all."""

import numpy as np
import pandas as pd


def shares(
    values: pd.Series, alternatives: pd.Series, start: float, end: float, weights: pd.Series | None = None
) -> pd.DataFrame:
    """The share of each alternative's values that are at most x: `alternative`, `x`, `share`, from `start` to `end`.

    One row where a share rises, and one at both ends. Infinite values, and NaN, are never reached. `weights` sum to 1
    in each alternative; by default all values count alike.
    """
    if weights is None:
        weights = 1 / values.groupby(alternatives).transform("size")
    table = pd.DataFrame({"alternative": alternatives, "x": values, "weight": weights})
    parts = [
        _rises(rows, start, end).assign(alternative=name) for name, rows in table.groupby("alternative", sort=False)
    ]
    columns = ["alternative", "x", "share"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _rises(rows: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    arrived = rows[np.isfinite(rows["x"])].groupby("x")["weight"].sum().cumsum()
    last = arrived.iloc[-1] if len(arrived) else 0.0
    rises = pd.DataFrame({"x": [start, *arrived.index, end], "share": [0.0, *arrived, last]})
    return rises.drop_duplicates("x", keep="last")
