"""A run is measured as it starts: one of no epochs, or no steps, and any other as step 0 of its history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from support.training import MakePlan, agree, all_together, each_alone
from xprun.plugins.registry import REGISTRY, model
from xprun.runner.cli.main import main
from xprun.runner.engine.execution_units import make_program
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.shards import train_alone
from xprun.runner.outputs.result_columns import result_columns
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import make_workload

SPEC = """
data = { name = "digits", valid = 0.2 }
model = { name = "MODEL" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = { grid = [0.1, 0.2] } }
run = { LENGTH = 0, seeds = 2, metrics = ["accuracy"], save = "last" }
SCHEDULER
"""


@pytest.mark.parametrize(
    ("model", "length", "scheduler"),
    [
        ("softmax", "epochs", ""),
        ("mlp", "steps", ""),
        ("softmax", "epochs", 'scheduler = { name = "ExponentialLR", per = "epoch", gamma = 0.9 }'),
    ],
)
def test_the_untrained_model_is_measured(
    model: str, length: str, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = SPEC.replace("MODEL", model).replace("LENGTH", length).replace("SCHEDULER", scheduler)
    Path("s.toml").write_text(text, encoding="utf-8")
    for arguments in (["check", "s.toml"], ["plan", "s.toml"], ["s.toml"], ["report", "runs/s"]):
        found = CliRunner().invoke(main, arguments)
        assert found.exit_code == 0, found.output
    results, history = pd.read_csv("runs/s/results.csv"), pd.read_csv("runs/s/history.csv")
    assert set(results["status"]) == {"done"}
    assert set(results["steps"]) == {0}
    assert results["final.valid.accuracy"].between(0, 0.5).all()
    assert set(history["step"]) == {0}
    first = results[results["seed"] == 0]
    assert first["final.valid.loss"].nunique() == 1  # nothing but the seed decides


@pytest.mark.parametrize("length", ["epochs", "steps"])
def test_less_than_nothing_is_refused(length: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SPEC.replace("MODEL", "softmax").replace("LENGTH = 0", f"{length} = -1").replace("SCHEDULER", ""))
    found = CliRunner().invoke(main, ["check", str(path)])
    assert found.exit_code == 2
    assert f"run.{length}: must be greater than or equal to 0, not -1" in found.output


TRAINED = """
data = { name = "digits", valid = 0.2, test = 0.1, batch_size = 64 }
model = { name = "softmax" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = { grid = [0.1, 0.2] } }
[run]
epochs = 3
metrics = ["accuracy"]
dtype = "float64"
"""
EVALUATED = ("train.loss", "train.accuracy", "valid.loss", "valid.accuracy")


def test_histories_begin_with_the_untrained_model(plan: MakePlan) -> None:
    runs = plan(TRAINED, 'run.measure_test="each"').runs
    untrained = each_alone(plan(TRAINED, 'run.measure_test="each"', "run.epochs=0").runs)
    expected = each_alone(runs)
    agree(all_together(runs), expected)
    agree(all_together(runs, "traced"), expected)
    [start, *_] = untrained.values()
    for outcome in expected.values():
        for metric in (*EVALUATED, "test.loss", "test.accuracy"):
            series = outcome.history[metric]
            assert series.steps.tolist() == [0, 20, 40, 60]
            assert series.values[0] == start.history[metric].values[0]
        assert outcome.history["loss"].steps[0] == 1


def test_what_is_measured_as_usual_has_no_step_0(plan: MakePlan) -> None:
    [running, *_] = each_alone(plan(TRAINED, 'run.measure_train="running"').runs).values()
    assert running.history["train.loss"].steps.tolist() == [20, 40, 60]
    assert running.history["valid.loss"].steps.tolist() == [0, 20, 40, 60]
    [none, *_] = each_alone(plan(TRAINED, 'run.measure_train="none"').runs).values()
    assert none.history["valid.loss"].steps.tolist() == [0, 20, 40, 60]
    assert none.history["test.loss"].steps.tolist() == [60]


def test_it_is_the_best_of_a_training_that_makes_it_worse_and_ends_none(plan: MakePlan) -> None:
    """A rate of 300 makes the model worse than it was; it stops for that after two epochs, and its start is kept."""
    sets = ["optimizer.lr=300.0", "run.stop={ patience = 1 }", 'run.save="best"', "compare.metric=valid.loss"]
    made = plan(TRAINED, *sets, "run.epochs=9", 'optimizer.name="SGD"')
    [run] = made.runs
    for outcomes in (each_alone([run]), all_together([run]), all_together([run], "traced")):
        [outcome] = outcomes.values()
        losses = outcome.history["valid.loss"]
        assert losses.values[0] < losses.values[1:].min()
        columns = result_columns(outcome, made.goals, made.comparison)
        assert columns["best.valid.loss"] == losses.values[0]
        assert outcome.steps >= 40  # patience waits from the first evaluation on
        start = make_workload(REGISTRY, run, torch.device("cpu")).make_model(run.seed).state_dict()
        for name, values in outcome.state.items():
            assert np.array_equal(values, start[name].numpy())


def test_averages_over_batches_cannot_say_that_it_is_the_best(plan: MakePlan) -> None:
    sets = ['run.measure_train="running"', 'run.save="best"', "compare.metric=train.loss"]
    [outcome, *_] = each_alone(plan(TRAINED, *sets).runs).values()
    assert outcome.state  # of an epoch


def test_what_a_model_draws_while_it_is_measured_changes_no_step(plan: MakePlan) -> None:
    """Noise in an evaluation, as of a sampling layer, comes from the generator that dropout draws from, too."""

    class Noisy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + 0.1 * torch.randn(10, dtype=x.dtype)

    @model("noisy")
    def noisy(x, y):  # type: ignore[no-untyped-def]
        """A model that draws in training and in evaluations."""
        return Noisy()

    [run] = plan(TRAINED, "model={ name = 'noisy' }", "optimizer.lr=0.1", "run.epochs=1").runs
    work = make_workload(REGISTRY, run, torch.device("cpu"))
    torch.manual_seed(0)
    bare = Training(work, make_program(work, Grid([[run]]), Autograd.name), Grid([[run]]))
    losses = bare.advance(20)[:, 0, 0]
    assert train_alone(work, run).history["loss"].values.tolist() == losses.tolist()
