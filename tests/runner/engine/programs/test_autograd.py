"""The ordinary loop does what a loop written by hand does."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.training import SCHEDULE_FREE, MakePlan, Train
from torch import nn
from xprun.plugins.datasets.digits import digits
from xprun.plugins.datasets.line import line
from xprun.plugins.datasets.thermometer import thermometer
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY, optimizer
from xprun.runner.engine.shards import train_alone
from xprun.runner.workload.workload import make_workload

DIGITS = """
[data]
name = "digits"
valid = 0.2
batch_size = 64
[model]
layers = [
  { name = "Linear", in_features = 64, out_features = 16 },
  { name = "Tanh" },
  { name = "Linear", in_features = 16, out_features = 10 },
]
[loss]
name = "CrossEntropyLoss"
[optimizer]
name = "SGD"
lr = 0.1
[run]
epochs = 2
dtype = "float64"
metrics = ["accuracy"]
"""

# Every torch.optim class that trains ordinary parameters, with settings that matter.
CLASSES: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.01, "betas": (0.8, 0.95), "amsgrad": True},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.01, "centered": True, "momentum": 0.5},
    "Adagrad": {"lr": 0.05, "lr_decay": 0.1},
    "Adadelta": {"lr": 1.0, "rho": 0.8},
    "Adamax": {"lr": 0.01},
    "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01},
    "Rprop": {"lr": 0.001},
    "ASGD": {"lr": 0.05},
    "Adafactor": {"lr": 0.01},
    "LBFGS": {"lr": 0.1, "max_iter": 3},
}


def by_hand(name: str, settings: dict[str, Any]) -> list[float]:
    """Train as a textbook would, with the documented split, order and initialisation; return the losses."""
    table = digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    train = order[359:].sort().values
    X, y = table.inputs[train].double(), table.targets[train]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)).double()
    opt = getattr(torch.optim, name)(model.parameters(), **settings)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(2):
        for rows in torch.randperm(len(X), generator=generator).split(64):

            def closure(rows: torch.Tensor = rows) -> torch.Tensor:
                opt.zero_grad()
                loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                return loss

            losses.append(opt.step(closure).item())
    return losses


@pytest.mark.parametrize("name", CLASSES)
def test_a_torch_optimizer_trains_as_it_does_by_hand(name: str, train: Train) -> None:
    settings = CLASSES[name]
    written = "\n".join(f"{key} = {toml(value)}" for key, value in settings.items())
    [outcome] = train(DIGITS.replace('name = "SGD"\nlr = 0.1', f'name = "{name}"\n{written}'))
    assert outcome.status == "done"
    assert outcome.history["loss"].values.tolist() == pytest.approx(by_hand(name, settings), rel=1e-9)


def toml(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value).lower()


AVERAGED = """
data = { name = "line", samples = 30, noise = 0.1, valid = 0.2, batch_size = "full" }
model = { name = "linear", w = 1.0, b = 0.5 }
loss = { name = "MSELoss" }
optimizer = { name = "averaged", lr = 0.2 }
run = { steps = 40, evaluate_every = 8, dtype = "float64", save = "best" }
"""


def test_a_schedule_free_optimizer_is_measured_where_its_average_is(train: Train) -> None:
    """By hand as in the paper: the gradient is taken at y, and what counts is x."""
    open_registry((SCHEDULE_FREE,))
    table, order = line(samples=30, noise=0.1), torch.randperm(30, generator=torch.Generator().manual_seed(0))
    train_rows, valid_rows = order[6:].sort().values, order[:6].sort().values
    x = z = torch.tensor([1.0, 0.5], dtype=torch.float64)
    losses, gradients, measured, averages, path = [], [], [], [], []

    def loss_at(at: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return (table.inputs[rows].double() * at[0] + at[1] - table.targets[rows].double()).square().mean()

    untrained = loss_at(x, valid_rows).item()
    for k in range(1, 41):
        path.append(x)
        y = (0.1 * z + 0.9 * x).requires_grad_()
        losses.append(loss_at(y, train_rows))
        gradients.append(torch.autograd.grad(losses[-1], y)[0])
        z = z - 0.2 * gradients[-1]
        x = x + (z - x) / k
        if k % 8 == 0:
            measured.append(loss_at(x, valid_rows).item())
            averages.append(x)

    [outcome] = train(AVERAGED)
    exact = {"rel": 1e-12, "abs": 1e-12}
    assert outcome.history["loss"].values == pytest.approx([loss.item() for loss in losses], **exact)
    assert outcome.history["valid.loss"].values == pytest.approx([untrained, *measured], **exact)
    assert [outcome.parameters["w"], outcome.parameters["b"]] == pytest.approx(x.tolist(), **exact)
    for number, name in enumerate(("param.w", "param.b")):  # the path that pictures draw
        assert outcome.history[name].steps.tolist() == list(range(1, 41))
        assert outcome.history[name].values == pytest.approx([at[number].item() for at in path], **exact)
    for number, name in enumerate(("grad.w", "grad.b")):  # where the step asks for it
        assert outcome.history[name].values == pytest.approx([g[number].item() for g in gradients], **exact)
    best = averages[measured.index(min(measured))]
    assert [outcome.state["w"].item(), outcome.state["b"].item()] == pytest.approx(best.tolist(), **exact)
    places, curve = outcome.visuals["fit"]
    assert curve == pytest.approx([(place * x[0] + x[1]).item() for place in places], **exact)


def test_a_picture_of_a_schedule_free_optimizer_changes_no_bit(plan: MakePlan) -> None:
    open_registry((SCHEDULE_FREE,))
    [run] = plan(AVERAGED).runs
    work = make_workload(REGISTRY, run, torch.device("cpu"))
    seen, unseen = train_alone(work, run), train_alone(replace(work, visuals=False), run)
    assert "param.w" in seen.history
    assert "param.w" not in unseen.history
    assert seen.history["loss"].values.tobytes() == unseen.history["loss"].values.tobytes()
    assert seen.parameters == unseen.parameters


def test_a_rule_and_its_class_agree(train: Train) -> None:
    [ours] = train(DIGITS.replace('"SGD"', '"scratch.gd"'))
    [torchs] = train(DIGITS)
    assert ours.history["loss"].values == pytest.approx(torchs.history["loss"].values, rel=1e-12)


def test_a_rule_that_looks_at_the_whole_parameter_gets_each_parameter(train: Train) -> None:
    @optimizer("normalised")
    def normalised(w: torch.Tensor, g: torch.Tensor, *, lr: float = 0.1) -> torch.Tensor:
        return w - lr * g / g.norm()

    @optimizer("by_shape")
    def by_shape(w: torch.Tensor, g: torch.Tensor, *, lr: float = 0.1) -> torch.Tensor:
        return w - lr * g if w.ndim == 2 else w

    from xprun.runner.engine.update_rules import read_rule

    assert not read_rule(normalised).elementwise
    assert not read_rule(by_shape).elementwise
    [outcome] = train(DIGITS.replace('"SGD"', '"normalised"'))
    assert outcome.status == "done"


def test_a_rule_sees_the_step_number_and_the_batch_size(train: Train, line_spec: str) -> None:
    seen: set[tuple[int, int]] = set()

    @optimizer("counting")
    def counting(w: torch.Tensor, g: torch.Tensor, t: int, n: int, *, lr: float = 0.1) -> torch.Tensor:
        seen.add((t, n))
        return w - lr * g

    train(line_spec.replace("scratch.gd", "counting"), "data.batch_size=15", "run.steps=3")
    assert seen >= {(1, 15), (2, 5), (3, 15)}
    assert (1, 5) not in seen


def test_losses_and_metrics_are_recorded_where_documented(train: Train) -> None:
    [outcome] = train(DIGITS)
    assert outcome.steps == 46
    assert outcome.epochs == 2.0
    assert outcome.history["loss"].steps.tolist() == list(range(1, 47))
    for metric in ("train.loss", "train.accuracy", "valid.loss", "valid.accuracy"):
        assert outcome.history[metric].steps.tolist() == [0, 23, 46]


def test_the_history_is_thinned_with_its_ends_kept(train: Train, line_spec: str) -> None:
    [outcome] = train(line_spec, "run.steps=25", "run.record_every=10")
    assert outcome.history["loss"].steps.tolist() == [1, 10, 20, 25]
    [outcome] = train(line_spec, "run.steps=4500")
    assert outcome.history["loss"].steps.tolist() == [1, *range(5, 4501, 5)]


def test_seeds_fix_start_and_order_whatever_the_optimizer_is(train: Train) -> None:
    text = DIGITS.replace("epochs = 2", "steps = 1\nseeds = 2").replace(
        "[optimizer]", '[[optimizer]]\nname = "Adam"\n[[optimizer]]'
    )
    first = [outcome.history["loss"].values[0] for outcome in train(text)]
    assert first[0] == first[2] != first[1] == first[3]


def test_a_run_that_diverges_ends_at_its_step(train: Train, line_spec: str) -> None:
    [outcome] = train(line_spec, "optimizer.lr=1e30", "run.steps=3000")
    assert outcome.status == "diverged"
    assert outcome.steps == 2
    assert outcome.reason.startswith("the loss is inf at step 2")
    assert outcome.history["loss"].steps.tolist() == [1, 2]
    assert outcome.parameters == {}


def test_a_last_step_into_infinity_is_a_divergence(train: Train, line_spec: str) -> None:
    [outcome] = train(line_spec, "optimizer.lr=1e39", "run.steps=1")
    assert (outcome.status, outcome.reason) == ("diverged", "parameters are not finite after step 1")


def test_dropout_is_off_in_evaluation_and_drawn_from_the_seed(train: Train) -> None:
    text = DIGITS.replace('{ name = "Tanh" }', '{ name = "Dropout", p = 0.5 }').replace("lr = 0.1", "lr = 1e-30")
    [one], [two] = train(text), train(text)
    assert one.history["loss"].values.tolist() == two.history["loss"].values.tolist()
    # nothing is learned, so evaluations differ only if dropout is left on
    assert one.history["valid.loss"].values[0] == pytest.approx(one.history["valid.loss"].values[1], rel=1e-12)


def test_the_thermometer_has_its_published_first_steps(train: Train) -> None:
    text = """
    data = { name = "thermometer", batch_size = "full" }
    model = { name = "linear", w = 1.0, b = 0.01 }
    loss = { name = "MSELoss" }
    optimizer = { name = "scratch.gd", lr = 1e-4 }
    run = { steps = 1 }
    """
    [outcome] = train(text)
    assert outcome.history["loss"].values[0] == pytest.approx(1764.7108, rel=1e-6)
    assert outcome.parameters == pytest.approx({"w": 0.5482, "b": 0.0017}, abs=5e-5)


def test_the_split_is_the_same_for_every_seed_and_covers_all_rows() -> None:
    from xprun.runner.workload.data_split import split_rows

    table, settings = digits(), {"valid": 0.2, "test": 0.0, "split_seed": 0, "standardise": False}
    split = split_rows(table, settings)
    assert split.valid is not None
    assert (len(split.train), len(split.valid)) == (1438, 359)
    rows = sorted(itertools.chain(split.train.inputs.sum(1).tolist(), split.valid.inputs.sum(1).tolist()))
    assert rows == sorted(table.inputs.sum(1).tolist())
    with pytest.raises(ValueError, match="all 11 rows"):
        split_rows(thermometer(), {**settings, "valid": 1.0})
