"""Runs whose steps another framework takes, here numpy, end as those in torch, and go on from where they were saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.numpy_backend import register
from support.training import MakePlan
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine.execution_units import make_program, select_strategy
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.shards import train_alone
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import make_workload
from xprun.specs import Run

RULES = ("gd", "minibatch_sgd", "momentum", "adagrad", "rmsprop", "adam")
SPEC = """
data = {{ name = "line", samples = 50, batch_size = {batch}, valid = 0.2, test = 0.2 }}
model = {{ name = "linear" }}
loss = {{ name = "MSELoss" }}
optimizer = {{ name = "scratch.{rule}", lr = {lr} }}
[run]
epochs = 20
metrics = ["mae"]
dtype = "float64"
backend = {{ grid = ["torch", "numpy.line"] }}
{more}
"""


@pytest.fixture(autouse=True)
def _numpy(_registry_as_installed: None, one_thread: None) -> None:
    register()


def both(plan: MakePlan, rule: str = "gd", batch: str = "8", lr: str = "0.05", more: str = "") -> list[Run]:
    """Return a run in torch and the same in numpy."""
    return plan(SPEC.format(rule=rule, batch=batch, lr=lr, more=more)).runs


def train(run: Run) -> Outcome:
    return train_alone(make_workload(REGISTRY, run, torch.device("cpu")), run)


def test_the_untrained_model_and_its_gradient_are_told_as_in_torch(plan: MakePlan) -> None:
    of_torch, of_numpy = (train(run).history for run in both(plan))
    for metric in ("train.loss", "train.mae", "valid.loss"):
        assert of_numpy[metric].steps[0] == 0
        assert of_numpy[metric].values[0] == of_torch[metric].values[0]
    assert of_numpy["grad.w"].values == pytest.approx(of_torch["grad.w"].values, rel=1e-9, abs=1e-12)


def alike(found: Outcome, expected: Outcome) -> None:
    assert (found.status, found.reason, found.steps) == (expected.status, expected.reason, expected.steps)
    assert found.history.keys() == expected.history.keys()
    for metric, series in found.history.items():
        assert series.steps.tolist() == expected.history[metric].steps.tolist(), metric
        np.testing.assert_allclose(series.values, expected.history[metric].values, 1e-10, 1e-12, err_msg=metric)
    assert found.parameters == pytest.approx(expected.parameters, rel=1e-10)


@pytest.mark.parametrize("batch", ["8", '"full"'])
@pytest.mark.parametrize("rule", RULES)
def test_the_textbook_rules_train_as_in_torch(rule: str, batch: str, plan: MakePlan) -> None:
    in_torch, in_numpy = both(plan, rule, batch)
    alike(train(in_numpy), train(in_torch))


@pytest.mark.parametrize("more", ["stop.loss_below = 0.3", "stop.patience = 2", 'save = "best"'])
def test_it_stops_and_keeps_as_in_torch(more: str, plan: MakePlan) -> None:
    in_torch, in_numpy = map(train, both(plan, more=more))
    alike(in_numpy, in_torch)
    assert in_numpy.state.keys() == in_torch.state.keys()
    for name, kept in in_numpy.state.items():
        np.testing.assert_allclose(kept, in_torch.state[name], 1e-10)
    assert in_numpy.kept == pytest.approx(in_torch.kept, rel=1e-10)


def test_a_run_that_diverges_is_closed_at_its_step(plan: MakePlan) -> None:
    in_torch, in_numpy = both(plan, lr="1e200")
    with np.errstate(all="ignore"):
        found = train(in_numpy)
    assert found.status == "diverged"
    assert found.steps == train(in_torch).steps


def test_it_goes_on_from_where_it_was_saved_to_the_bit(plan: MakePlan) -> None:
    _, run = both(plan, "adam")
    work = make_workload(REGISTRY, run, torch.device("cpu"))
    grid = Grid([[run]])

    def fresh() -> Training:
        return Training(work, make_program(work, grid, Autograd.name), grid)

    whole, first, second = fresh(), fresh(), fresh()
    whole.train()
    first._look(first.advance(9))
    second.restore(first.state())
    second.train()
    [expected], [found] = whole.outcomes(), second.outcomes()
    assert found.parameters == expected.parameters
    assert np.array_equal(found.history["loss"].values, expected.history["loss"].values)


def test_its_runs_are_one_unit_timed_without_it(plan: MakePlan) -> None:
    _, run = both(plan)
    [unit] = select_strategy(make_workload(REGISTRY, run, torch.device("cpu")), [run])
    assert unit.program is None
    assert unit.reason == "numpy.line takes the steps of one run after the other; timed with torch"
