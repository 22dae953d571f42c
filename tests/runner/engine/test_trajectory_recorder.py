"""The path of a small model is where a loop written by hand finds it, alone, together and in compiled blocks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from support.python_blocks import python_block
from support.training import MakePlan, agree, all_together, each_alone
from xprun.plugins.datasets.thermometer import thermometer
from xprun.runner import run
from xprun.runner.engine import compiled_blocks
from xprun.runner.engine.compiled_blocks import CompiledBlocks
from xprun.runner.engine.trajectory_recorder import EVERY, path_steps
from xprun.runner.planning import plan as planning

LINE = """
data = { name = "thermometer", batch_size = "full" }
loss = { name = "MSELoss" }
model = { name = "linear", w = 1.0, b = 0.0 }
run = { steps = 12, dtype = "float64" }
[optimizer]
name = "scratch.gd"
lr = 1e-4
"""


def walk_by_hand(lr: float, steps: int) -> list[tuple[float, float]]:
    """Where gradient descent stands before each step."""
    table, place, found = thermometer(), torch.tensor([1.0, 0.0], dtype=torch.float64), []
    for _ in range(steps):
        found.append((place[0].item(), place[1].item()))
        place = place.requires_grad_()
        loss = (place[0] * table.inputs.double() + place[1] - table.targets.double()).square().mean()
        place = (place - lr * torch.autograd.grad(loss, place)[0]).detach()
    return found


def test_a_path_is_where_the_parameters_were_before_each_step(plan: MakePlan) -> None:
    [outcome] = each_alone(plan(LINE).runs).values()
    path = [outcome.history[f"param.{name}"] for name in ("w", "b")]
    assert [series.steps.tolist() for series in path] == [[*range(1, 13)]] * 2
    np.testing.assert_allclose(np.stack([s.values for s in path], 1), walk_by_hand(1e-4, 12), rtol=1e-9)


def test_the_gradients_are_those_that_textbooks_print(plan: MakePlan) -> None:
    """At w = 1, b = 0 and at b = 0.01, by the formula, by autograd, by an object of torch.optim, alone and together."""
    published = {0.0: (1763.8846, 4517.2969, 82.6), 0.01: (1764.7108, 4518.3325, 82.62)}
    for b, (loss, *gradient) in published.items():
        ways = ['run.gradient="manual"', 'run.gradient="autograd"', 'optimizer={ name = "LBFGS", lr = 1e-6 }']
        found = [each_alone(plan(LINE, f"model.b={b}", "run.steps=3", way).runs) for way in ways]
        found += [
            all_together(plan(LINE, f"model.b={b}", "run.steps=3").runs, name) for name in ("linear-stack", "traced")
        ]
        for history in (outcome.history for outcomes in found for outcome in outcomes.values()):
            assert history["loss"].values[0] == pytest.approx(loss, rel=1e-7)
            assert [history[name].values[0] for name in ("grad.w", "grad.b")] == pytest.approx(gradient, rel=1e-7)
            assert history["grad.w"].steps.tolist() == history["param.w"].steps.tolist() == [1, 2, 3]


def test_the_gradient_is_that_of_the_loss_whatever_is_made_of_it(plan: MakePlan) -> None:
    """A step of gradient descent gives it away; clipping comes after it, and several batches of a step have a mean."""
    batches = ['data={ name = "line", samples = 50, batch_size = 8 }', "optimizer.lr=0.1", "run.steps=9"]
    for more in ([], ["run.accumulate=3"]):
        runs = plan(LINE, *batches, *more).runs
        [outcome] = each_alone(runs).values()
        agree(all_together(runs, "traced"), {outcome.run: outcome})
        path, gradient = outcome.history["param.w"].values, outcome.history["grad.w"].values
        np.testing.assert_allclose(np.append(path[1:], outcome.parameters["w"]), path - 0.1 * gradient, rtol=1e-9)
    plain, clipped = (each_alone(plan(LINE, *batches, f"run.clip_norm={norm}").runs) for norm in (1e9, 1e-3))
    [first], [second] = ([o.history["grad.w"].values[0] for o in outcomes.values()] for outcomes in (plain, clipped))
    assert first == second != 0
    runs = plan(LINE, *batches, "run.clip_norm=1e-3").runs
    agree(all_together(runs), each_alone(runs))


def test_it_is_thinned_as_it_slows_down() -> None:
    steps = sorted(path_steps(330_000))
    assert steps[:EVERY] == [*range(1, EVERY + 1)]
    assert steps[-1] == 330_000
    assert max(b / a for a, b in pairwise(steps[EVERY:])) < 1.05
    assert len(steps) < 500
    assert sorted(path_steps(3)) == [1, 2, 3]


@pytest.mark.parametrize("program", ["linear-stack", "traced"])
@pytest.mark.parametrize(
    "sets",
    [
        ["optimizer.lr=[1e-4, 3e-4, 1.0]", "run.steps=250"],  # the last one diverges within a block
        ['data={ name = "linear", w = [1.0, 2.0, 3.0], batch_size = 10 }', 'model={ name = "linear" }', "run.seeds=2"],
        ["optimizer.lr=[1e-4, 2e-4]", "run.steps=900", "run.stop={ loss_below = 400 }"],
    ],
)
def test_runs_leave_the_same_paths_together(program: str, sets: list[str], plan: MakePlan) -> None:
    runs = plan(LINE, *sets).runs
    expected = each_alone(runs)
    agree(all_together(runs, program), expected)
    for outcome in expected.values():
        paths = [series.steps for name, series in outcome.history.items() if name.startswith("param.")]
        assert len(paths) in (2, 4)
        gradients = [series.steps.tolist() for name, series in outcome.history.items() if name.startswith("grad.")]
        assert gradients == [series.tolist() for series in paths]
        assert all(path[-1] <= outcome.steps for path in paths)


def test_compiled_blocks_leave_the_same_path(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprun.runner.engine.trajectory_recorder.EVERY", 8)
    path_steps.cache_clear()
    monkeypatch.setattr(compiled_blocks, "block_for", python_block)
    taken, take = [], CompiledBlocks.take
    monkeypatch.setattr(CompiledBlocks, "take", lambda *args: taken.append(take(*args)) or taken[-1])
    runs = plan(LINE, "run.compile=true", "run.steps=1100", "data.name=line", "optimizer.lr=[0.01, 0.1]").runs
    agree(all_together(runs), each_alone(runs))
    assert max(len(losses) for losses in taken if losses is not None) > 20
    path_steps.cache_clear()


def test_models_of_more_numbers_leave_none(plan: MakePlan) -> None:
    sets = ['data={ name = "linear", w = [1.0, 2.0, 3.0, 4.0], batch_size = 10 }', 'model={ name = "linear" }']
    [outcome] = each_alone(plan(LINE, *sets).runs).values()
    assert list(outcome.history) == ["loss"]


def test_grids_of_very_many_runs_leave_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "line.toml").write_text(LINE, encoding="utf-8")
    kept = run(tmp_path / "line.toml", output=tmp_path / "few", quiet=True).history
    assert set(kept["metric"]) == {"loss", "param.w", "param.b", "grad.w", "grad.b"}
    monkeypatch.setattr(planning, "MAX_RUNS_WITH_VISUALS", 0)
    kept = run(tmp_path / "line.toml", output=tmp_path / "many", quiet=True).history
    assert set(kept["metric"]) == {"loss"}
