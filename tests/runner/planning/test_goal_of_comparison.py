"""`compare.goal` says what is better; best values, stop rules and the checkpoint that is kept follow it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from xprun import run

SPEC = """
[data]
name = "line"
samples = 40
valid = 0.25
test = 0.25

[model]
name = "linear"

[loss]
name = "MSELoss"

[optimizer]
name = "SGD"
lr = 0.01

[run]
epochs = 8
metrics = ["mae", "r2"]
save = "best"
measure_test = "each"
{more}

[compare]
metric = "{metric}"
goal = "{goal}"
"""


@pytest.fixture
def tables(tmp_path: Path, write: Callable[[str], Path]) -> Callable[..., tuple[pd.Series, pd.DataFrame]]:
    def train(metric: str, goal: str, more: str = "") -> tuple[pd.Series, pd.DataFrame]:
        results = run(write(SPEC.format(metric=metric, goal=goal, more=more)), output=tmp_path / "out", quiet=True)
        return results.runs.iloc[0], results.history

    return train


@pytest.mark.parametrize(
    ("metric", "goal"), [("train.mae", "max"), ("valid.r2", "min"), ("valid.loss", "max"), ("valid.mae", "min")]
)
def test_the_best_value_and_the_checkpoint_follow_the_goal(
    tables: Callable[..., tuple[pd.Series, pd.DataFrame]], metric: str, goal: str
) -> None:
    row, history = tables(metric, goal)
    quantity = metric.partition(".")[2]
    for name in (f"train.{quantity}", f"valid.{quantity}") if quantity != "loss" else ("valid.loss",):
        values = history[history["metric"] == name]["value"]
        assert row[f"best.{name}"] == (values.max() if goal == "max" else values.min()), name
    chosen, tested = (
        history[history["metric"] == name].set_index("step")["value"] for name in (metric, f"test.{quantity}")
    )
    best = chosen.idxmax() if goal == "max" else chosen.idxmin()
    assert row[f"checkpoint.test.{quantity}"] == pytest.approx(tested[best], rel=1e-5)


@pytest.mark.parametrize(
    ("metric", "goal", "stop"),
    [
        ("train.mae", "max", 'patience = { metric = "train.mae", evaluations = 2 }'),
        ("valid.r2", "min", 'patience = { metric = "valid.r2", evaluations = 2 }'),
        ("train.mae", "max", 'metric_reached = { "train.mae" = 0.0 }'),
    ],
)
def test_rules_that_end_a_run_follow_the_goal(
    tables: Callable[..., tuple[pd.Series, pd.DataFrame]], metric: str, goal: str, stop: str
) -> None:
    row, _ = tables(metric, goal, f"stop = {{ {stop} }}")  # it gets worse by this goal from the first evaluation on
    evaluations = 3 if "patience" in stop else 1
    assert (row["status"], row["epochs"]) == ("stopped", evaluations), row["reason"]
