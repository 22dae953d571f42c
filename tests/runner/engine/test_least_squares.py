"""Linear least squares in closed form is the floor of what gradient descent on a squared error reaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from support.training import MakePlan
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.engine.least_squares import least_squares
from xprun.runner.engine.shards import train_alone
from xprun.runner.workload.workload import Workload, make_workload

LINEAR = """
data = { name = "linear", samples = 60, noise = 0.5, batch_size = 16 }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = 0.1 }
run = { epochs = 60, dtype = "float64", metrics = ["rmse"] }
"""


def workload(plan: MakePlan, text: str, *sets: str) -> Workload:
    return make_workload(REGISTRY, plan(text, *sets).runs[0], torch.device("cpu"))


def by_numpy(work: Workload) -> tuple[list[float], float]:
    """Return the least squares solution, and its mean squared error on the training rows."""
    X = np.c_[work.train.inputs.numpy(), np.ones(len(work.train))]
    y = work.train.targets.numpy()
    solution, squares, *_ = np.linalg.lstsq(X, y, rcond=None)
    return solution.ravel().tolist(), float(squares[0] / len(y))


@pytest.mark.parametrize("model", ['{ name = "linear" }', '{ layers = [{ name = "Linear", out_features = 1 }] }'])
def test_the_solution_is_that_of_numpy(model: str, plan: MakePlan) -> None:
    work = workload(plan, LINEAR.replace('{ name = "linear" }', model))
    found, (solution, floor) = least_squares(work), by_numpy(work)
    assert [value for name, value in found.items() if name.startswith("param.")] == pytest.approx(solution)
    assert found["train.loss"] == found["loss"] == pytest.approx(floor)
    assert found["train.rmse"] == pytest.approx(floor**0.5)


def test_descent_comes_near_the_floor_and_not_below(plan: MakePlan) -> None:
    work = workload(plan, LINEAR, "data.batch_size='full'", "run.epochs=300")
    outcome = train_alone(work, plan(LINEAR).runs[0])
    losses = outcome.history["train.loss"].values
    floor = least_squares(work)["train.loss"]
    assert losses.min() >= floor * (1 - 1e-12)
    assert losses[-1] == pytest.approx(floor, rel=1e-6)


def test_the_loss_of_a_batch_is_a_share_of_a_summed_loss(plan: MakePlan) -> None:
    work = workload(plan, LINEAR.replace("MSELoss", "squared"))
    found, (_, floor) = least_squares(work), by_numpy(work)
    assert found["train.loss"] == pytest.approx(floor * 60 / 2)
    assert found["loss"] == pytest.approx(found["train.loss"] / 4)  # an epoch has four batches


def test_what_is_held_out_is_measured_and_not_fitted(plan: MakePlan) -> None:
    work = workload(plan, LINEAR, "data.valid=0.25")
    found, (_, floor) = least_squares(work), by_numpy(work)
    assert found["train.loss"] == pytest.approx(floor)
    assert found["valid.loss"] != pytest.approx(floor)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MSELoss", "L1Loss"),
        ('model = { name = "linear" }', 'model = { name = "mlp" }'),
        ('model = { name = "linear" }', 'model = { name = "linear", freeze = ["w"] }'),
        ('"linear", samples = 60, noise = 0.5', '"polynomial"'),
    ],
)
def test_nothing_is_claimed_where_the_optimum_is_not_known(old: str, new: str, plan: MakePlan) -> None:
    assert old in LINEAR
    text = LINEAR.replace(old, new).replace('model = { name = "linear" }', 'model = { name = "softmax" }')
    text = text.replace("epochs = 60", "steps = 10")
    assert least_squares(workload(plan, text)) == {}


def test_the_report_draws_the_floor_and_lists_its_parameters(write: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(main, [str(write(LINEAR)), "-o", str(out), "-j", "1"])
    assert result.exit_code == 0, result.output
    results = pd.read_csv(out / "results.csv")
    assert results["final.train.loss"].iloc[0] > results["reference.train.loss"].iloc[0] > 0
    page = (out / "report.md").read_text(encoding="utf-8")
    assert "Least squares on the training rows, in closed form, has train.rmse" in page
    assert "Dashed: least squares in closed form" in page
    assert "| least squares |" in page


def test_the_models_of_a_plan_are_shown_layer_by_layer(write: Callable[[str], Path], tmp_path: Path) -> None:
    text = LINEAR.replace(
        'model = { name = "linear" }', 'model = [{ name = "mlp", hidden = { grid = [[7], [9]] } }, { name = "linear" }]'
    )
    out = tmp_path / "out"
    result = CliRunner().invoke(main, [str(write(text)), "--set", "run.epochs=1", "-o", str(out), "-j", "1"])
    assert result.exit_code == 0, result.output
    shown = (out / "models.txt").read_text(encoding="utf-8")
    assert [line for line in shown.splitlines() if line.endswith(" on linear")] == [
        "mlp at hidden=[7] on linear",
        "mlp at hidden=[9] on linear",
        "linear on linear",
    ]
    assert "Total params: 29" in shown  # 2 x 7 + 7 + 7 + 1
    for page in ("report.md", "report.html"):
        assert "Total params: 29" in (out / page).read_text(encoding="utf-8")
