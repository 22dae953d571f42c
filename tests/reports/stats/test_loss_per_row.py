"""A loss that is a sum has a mean per row by setting; other metrics, and losses that are means, have none."""

import pandas as pd
import pytest
from xprun.reports.stats.loss_per_row import loss_per_row

RUNS = pd.DataFrame(
    {
        "setting": ["a", "a", "b"],
        "final.loss_per_row": [2.0, 4.0, None],
        "final.train.loss_per_row": [0.25, 0.75, 9.0],
        "final.valid.loss_per_row": [None, None, None],
    }
)


@pytest.mark.parametrize(("metric", "a", "b"), [("train.loss", 0.5, 9.0), ("loss", 3.0, None)])
def test_each_setting_has_the_mean_of_its_runs(metric: str, a: float, b: float | None) -> None:
    means = loss_per_row(RUNS, metric)
    assert means is not None
    assert means["a"] == a
    assert means["b"] == b if b else pd.isna(means["b"])


@pytest.mark.parametrize("metric", ["valid.loss", "test.loss", "train.accuracy", "train.loss_per_row"])
def test_what_is_no_sum_has_none(metric: str) -> None:
    assert loss_per_row(RUNS, metric) is None
