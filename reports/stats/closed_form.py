"""What is known in closed form beside what was trained: the least squares solution of a linear model."""

import pandas as pd
from xprun.reports.presentation.formatting import value_text
from xprun.runner.results.results_schema import reference

BOUNDS = {
    "train.loss": ", the minimum for this model",
    "loss": " on average over the batches, the minimum for this model",
}


def reference_value(runs: pd.DataFrame, name: str) -> float | None:
    """The value of `reference.<name>` that all these runs share; None where they differ or some have none."""
    values = runs.get(reference(name), pd.Series(dtype="float64"))
    return float(values.iloc[0]) if len(values) and values.notna().all() and values.nunique() == 1 else None


def floor_sentence(runs: pd.DataFrame, metric: str) -> str:
    """What least squares reaches by this metric, in a sentence; empty where it is not known."""
    value = reference_value(runs, metric)
    if value is None:
        return ""
    return (
        f"Least squares on the training rows, in closed form, has {metric} {value_text(value)}{BOUNDS.get(metric, '')}."
    )
