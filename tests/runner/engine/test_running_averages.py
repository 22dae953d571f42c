"""`run.measure_train`: averages over the batches of an epoch, as a loop by hand computes them, or no training rows."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.cohorts import DATA, MLP, MSE, REAL, SGD, TINY, Cohort, grid, layers, linear, named, points
from support.python_blocks import python_block
from support.training import MakePlan
from torch import nn
from xprun.plugins.registry import data
from xprun.runner.engine import compiled_blocks
from xprun.runner.engine.execution_units import make_program
from xprun.runner.engine.loop import Training
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.batch_order import batches
from xprun.runner.workload.workload import Workload
from xprun.specs import Run

RUNNING = {"epochs": 4, "metrics": ["accuracy"], "measure_train": "running", "seeds": 2}
RAGGED = DATA | {"batch_size": 5}  # 16 rows: the last batch of an epoch has one
NORM = layers(linear(3, 4), named("BatchNorm1d", num_features=4), "Tanh", linear(4, 3))
DROPOUT = layers(linear(3, 4), "Tanh", named("Dropout", p=0.3), linear(4, 3))


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


def by_hand(work: Workload, run: Run, every: int = 1) -> list[tuple[float, float]]:
    """Return the average loss and accuracy of each epoch, or every so many, of SGD in a loop as in a textbook."""
    module, lr = work.make_model(run.seed), run.choices["optimizer"].settings["lr"]
    torch.default_generator.manual_seed(run.seed)  # as an ordinary loop draws its masks
    optimizer, criterion = torch.optim.SGD(module.parameters(), lr=lr), nn.CrossEntropyLoss()
    feed, found = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed), []
    for epoch in range(1, work.schedule.steps // work.schedule.steps_per_epoch + 1):
        total, hits, rows = 0.0, 0, 0
        while rows < len(work.train):
            group = [next(feed) for _ in range(min(work.accumulate, -(-(len(work.train) - rows) // work.batch_size)))]
            optimizer.zero_grad()
            for x, y in group:
                scores = module(x)
                loss = criterion(scores, y)
                (loss / len(group)).backward()
                total, hits = total + loss.item() * len(y), hits + int((scores.argmax(1) == y).sum())
                rows += len(y)
            optimizer.step()
        if epoch % every == 0:
            found.append((total / rows, hits / rows))
    return found


def told(outcome: Outcome) -> list[tuple[float, float]]:
    columns = [outcome.history[name].values.tolist() for name in ("train.loss", "train.accuracy")]
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("more", [{}, {"accumulate": 2}, {"clip_norm": 1e9}, {"average": {"ema": 0.9}}])
@pytest.mark.parametrize("optimizer", [SGD, named("scratch.gd", lr=grid(0.03, 0.3))])
def test_averages_are_those_of_a_loop_by_hand(more: dict[str, Any], optimizer: dict[str, Any], plan: MakePlan) -> None:
    cohort = Cohort(plan, data=RAGGED, optimizer=optimizer, run=RUNNING | more)
    for program in cohort.programs:
        outcomes = cohort.check(program)
        for run in cohort.runs:
            for found, expected in zip(told(outcomes[run.id]), by_hand(cohort.work, run), strict=True):
                assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("model", [NORM, DROPOUT])
def test_layers_do_as_in_training(model: dict[str, Any], plan: MakePlan) -> None:
    cohort = Cohort(plan, data=DATA, model=model, run=RUNNING)
    for run_id, outcome in cohort.alone().items():
        [run] = [run for run in cohort.runs if run.id == run_id]
        for found, expected in zip(told(outcome), by_hand(cohort.work, run), strict=True):
            assert found == pytest.approx(expected, rel=1e-12)
    if model is NORM:
        cohort.check("traced")


def test_an_average_is_that_of_the_latest_epoch(plan: MakePlan) -> None:
    cohort = Cohort(plan, data=RAGGED, run=RUNNING | {"evaluate_every": 2})
    outcomes = cohort.check("linear-stack")
    for run in cohort.runs:
        found = outcomes[run.id]
        assert found.history["train.loss"].steps.tolist() == [8, 16]
        for one, other in zip(told(found), by_hand(cohort.work, run, every=2), strict=True):
            assert one == pytest.approx(other, rel=1e-12)


def test_a_full_batch_is_the_loss_of_its_step(plan: MakePlan) -> None:
    cohort = Cohort(plan, data=DATA | {"batch_size": "full"}, run=RUNNING)
    for outcome in cohort.check("linear-stack").values():
        assert outcome.history["train.loss"].values == pytest.approx(outcome.history["loss"].values, rel=1e-12)


def test_a_run_that_stops_in_an_epoch_has_the_average_so_far(plan: MakePlan) -> None:
    stop = {"loss_below": 0.9}
    cohort = Cohort(plan, data=RAGGED, run=RUNNING | {"stop": stop, "evaluate_every": 4})
    outcomes = [one for one in cohort.check("linear-stack").values() if one.status == "stopped" and one.steps % 4 > 1]
    assert outcomes
    for outcome in outcomes:
        losses, first = outcome.history["loss"].values, outcome.steps - outcome.steps % 4
        sizes = [5, 5, 5][: outcome.steps % 4]
        mean = sum(n * loss for n, loss in zip(sizes, losses[first:], strict=True)) / sum(sizes)
        assert outcome.history["train.loss"].values[-1] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("loss", ["MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss"])
@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_every_loss_and_metric_is_averaged_alike_alone_and_together(loss: str, metric: str, plan: MakePlan) -> None:
    run = RUNNING | {"metrics": [metric]}
    cohort = Cohort(plan, data=REAL, model=TINY, loss=named(loss), run=run)
    for program in cohort.programs:
        for outcome in cohort.check(program).values():
            steps = outcome.history["loss"].values.reshape(4, -1)
            assert outcome.history["train.loss"].values == pytest.approx(steps.mean(1), rel=1e-12)  # of equal batches
            assert all(map(math.isfinite, outcome.history[f"train.{metric}"].values))


def test_an_optimizer_with_a_closure_counts_each_batch_once(plan: MakePlan) -> None:
    cohort = Cohort(plan, data=RAGGED, optimizer=named("LBFGS", lr=0.1, max_iter=3), run=RUNNING | {"seeds": 1})
    [outcome] = cohort.alone().values()
    losses, sizes = outcome.history["loss"].values.reshape(4, 4), [5, 5, 5, 1]
    assert outcome.history["train.loss"].values == pytest.approx(losses @ sizes / 16, rel=1e-12)


@pytest.mark.parametrize("program", ["linear-stack", "traced", "autograd"])
@pytest.mark.parametrize("cut", [2, 3, 4, 5, 7])
def test_it_goes_on_to_the_bit_from_within_an_epoch(program: str, cut: int, plan: MakePlan) -> None:
    cohort = Cohort(plan, data=RAGGED, optimizer=named("SGD", lr=0.1), run=RUNNING | {"seeds": 1, "epochs": 2})
    [cells] = cohort.grids

    def begin() -> Training:
        return Training(cohort.work, make_program(cohort.work, cells, program), cells)

    whole, first, second = begin(), begin(), begin()
    whole.train()
    first.advance(cut)
    state = first.state()
    assert first.running is not None
    second.restore(state)
    second.train()
    assert second.running is not None
    for name, found in second.outcomes()[0].history.items():
        if name.startswith("train."):
            expected = whole.outcomes()[0].history[name].values[-len(found.values) :]
            assert found.values.tobytes() == expected.tobytes(), name


def test_blocks_are_compiled_where_no_batch_is_looked_at(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def counted(*arguments: Any, **more: Any) -> Any:
        block = python_block(*arguments, **more)

        def call(handed: list[torch.Tensor]) -> list[torch.Tensor]:
            taken.append(len(handed[0]))
            return block(handed)  # type: ignore[no-any-return]

        return call

    monkeypatch.setattr(compiled_blocks, "block_for", counted)
    run = {
        "steps": 60,
        "evaluate_every": 15,
        "compile": True,
        "seeds": 2,
        "metrics": ["mae"],
        "measure_train": "running",
    }
    gentle = named("SGD", lr=grid(0.01, 0.03))
    cohort = Cohort(plan, data=REAL | {"batch_size": "full"}, model=TINY, loss=MSE, optimizer=gentle, run=run)
    for outcome in cohort.check("linear-stack").values():
        series = outcome.history["train.loss"]
        assert series.steps.tolist() == [15, 30, 45, 60]
        assert series.values == pytest.approx(outcome.history["loss"].values[series.steps - 1], rel=1e-12)
    assert max(taken) > 10


def test_where_each_epoch_is_averaged_a_note_says_why_nothing_is_compiled(
    plan: MakePlan, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = Cohort(plan, data=RAGGED, run=RUNNING | {"compile": True})
    cohort.together("linear-stack")
    assert 'the steps are not compiled: run.measure_train = "running" looks at every batch' in caplog.messages


def test_none_measures_no_training_rows_and_trains_the_same(plan: MakePlan) -> None:
    def train(**more: Any) -> list[Outcome]:
        run = {"epochs": 4, "metrics": ["accuracy", "confusion"], "seeds": 2, **more}
        return list(Cohort(plan, data=RAGGED, model=MLP, run=run).check("linear-stack").values())

    for full, none, running in zip(train(), train(measure_train="none"), train(measure_train="running"), strict=True):
        assert len({full.run, none.run, running.run}) == 3
        assert not any(name.startswith("train.") for name in none.history)
        assert set(none.matrices) == set(running.matrices) == {"valid.confusion"}
        for name in ("loss", "valid.loss", "valid.accuracy"):
            assert full.history[name].values.tolist() == none.history[name].values.tolist()
            assert full.history[name].values.tolist() == running.history[name].values.tolist()


def test_at_its_default_it_is_no_part_of_an_id(plan: MakePlan) -> None:
    ids = [
        Cohort(plan, run={"epochs": 1, "metrics": ["accuracy"], **more}).runs[0].id
        for more in ({}, {"measure_train": "full"})
    ]
    assert ids[0] == ids[1]
