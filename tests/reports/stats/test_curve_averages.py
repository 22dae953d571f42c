"""Curves over seeds are what a reader would work out by hand."""

import numpy as np
import pandas as pd
from xprun.reports.stats.curve_averages import curves, divergences, sensitivity


def history(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(run, k, "loss", v) for run, line in values.items() for k, v in enumerate(line, 1)]
    return pd.DataFrame(rows, columns=["run", "step", "metric", "value"]).astype(
        {"run": "category", "step": int, "value": float}
    )


def judged(**alternatives: str) -> pd.DataFrame:
    runs = {"run": list(alternatives), "alternative": list(alternatives.values())}
    return pd.DataFrame(runs).assign(status="done", bad=False)


def test_mean_and_band_over_the_seeds() -> None:
    table = curves(history({"a": [1.0, 3.0], "b": [2.0, 5.0], "x": [9.0, 9.0]}), judged(a="SGD", b="SGD"), "loss")
    assert table[["step", "mean", "low", "high"]].to_numpy().tolist() == [[1, 1.5, 1, 2], [2, 4, 3, 5]]


def test_long_curves_are_averaged_in_bins_of_equal_width() -> None:
    table = curves(history({"a": [float(k) for k in range(1, 11)]}), judged(a="SGD"), "loss", bins=4)
    assert table["step"].tolist() == [2, 5, 8, 10]
    assert table["mean"].tolist() == [2, 5, 8, 10]


def test_a_line_ends_where_its_first_run_ends() -> None:
    table = curves(history({"a": [1.0, 1.0, np.nan], "b": [3.0, 3.0, 3.0, 3.0]}), judged(a="SGD", b="SGD"), "loss")
    assert table["step"].tolist() == [1, 2]
    assert table["mean"].tolist() == [2, 2]


def test_no_history_is_no_line() -> None:
    assert curves(history({}), judged(a="SGD"), "loss").empty


def test_sensitivity_takes_the_best_of_the_other_settings() -> None:
    rows = [("SGD", 0.1, 0.9, 0.8), ("SGD", 0.1, 0.0, 0.7), ("SGD", 0.01, 0.0, 0.6), ("Rprop", np.nan, 0.0, 0.5)]
    summary = pd.DataFrame(rows, columns=["alternative", "optimizer.lr", "optimizer.momentum", "mean"])
    points = sensitivity(summary, "optimizer.lr")
    assert points[["alternative", "x", "mean"]].to_numpy().tolist() == [["SGD", 0.01, 0.6], ["SGD", 0.1, 0.8]]


def test_a_run_that_a_stop_rule_ended_keeps_its_last_value() -> None:
    """Else the line would end with the fastest run, and say nothing of where the mean ends."""
    runs = judged(a="SGD", b="SGD").assign(status=["stopped", "done"])
    table = curves(history({"a": [0.5, 0.1], "b": [3.0, 2.0, 1.0, 0.3]}), runs, "loss")
    assert table["step"].tolist() == [1, 2, 3, 4]
    assert table["mean"].tolist() == [1.75, 1.05, 0.55, 0.2]
    assert table["carried"].tolist() == [False, False, True, True]


def test_where_runs_diverge() -> None:
    runs = judged(a="SGD", b="Adam").assign(status=["diverged", "done"])
    table = divergences(history({"a": [1.0, 9.0, np.inf], "b": [1.0, 1.0]}), runs, "loss")
    assert table[["alternative", "step", "value"]].to_numpy().tolist() == [["SGD", 2, 9.0]]
