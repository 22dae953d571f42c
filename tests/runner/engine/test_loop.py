"""Runs that are trained together end as they do alone: every rule, loss and layer, whatever the neighbours do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from support.cohorts import (
    DATA,
    FULL,
    MSE,
    PROGRAMS,
    REAL,
    SGD,
    TINY,
    WILD,
    WILDEST,
    Cohort,
    grid,
    layers,
    linear,
    named,
    points,
    same,
)
from support.room import limit
from support.training import MakePlan
from torch import Tensor, nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import REGISTRY, data, loss, metric, model, optimizer
from xprun.plugins.signature import makes_optimizer
from xprun.plugins.torch_api.generated import nn_losses as torch_losses
from xprun.runner.engine.loop import Training
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload import batch_feeds as feeds
from xprun.runner.workload import step_schedule as schedule
from xprun.runner.workload.batch_order import batches
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Run

# What a row's three scores make of its targets.


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


# --- from plain values to runs, and from runs to outcomes


def identical(one: Outcome, other: Outcome) -> None:
    """See that two outcomes are the same to the last bit."""
    assert (one.run, one.status, one.reason, one.steps) == (other.run, other.status, other.reason, other.steps)
    assert one.parameters == other.parameters
    assert one.history.keys() == other.history.keys()
    for name, series in other.history.items():
        assert np.array_equal(one.history[name].values, series.values), name


# --- every rule

# Four learning rates, and two values of every other setting that is a number.
BETAS = {"betas": ((0.9, 0.999), (0.5, 0.9)), "eps": (1e-8, 1e-3), "weight_decay": (0.0, 0.1)}
RULES: dict[str, tuple[tuple[float, ...], dict[str, tuple[Any, Any]]]] = {
    "scratch.gd": ((0.03, 0.1, 0.2, 0.3), {}),
    "scratch.minibatch_sgd": ((0.03, 0.1, 0.2, 0.3), {}),
    "scratch.momentum": ((0.03, 0.1, 0.2, 0.3), {"keep": (0.2, 0.8)}),
    "scratch.adagrad": ((0.01, 0.03, 0.1, 0.2), {"delta": (1e-7, 1e-2)}),
    "scratch.rmsprop": ((0.001, 0.003, 0.01, 0.03), {"keep": (0.5, 0.9), "delta": (1e-7, 1e-2)}),
    "scratch.adam": ((0.001, 0.003, 0.01, 0.03), {"keep": (0.5, 0.9), "delta": (1e-7, 1e-2)}),
    "ASGD": (
        (0.03, 0.1, 0.2, 0.3),
        {"lambd": (1e-4, 0.1), "alpha": (0.75, 0.5), "t0": (1e6, 2.0), "weight_decay": (0.0, 0.1)},
    ),
    "Adadelta": ((0.3, 0.5, 1.0, 2.0), {"rho": (0.5, 0.9), "eps": (1e-6, 1e-3), "weight_decay": (0.0, 0.1)}),
    "Adagrad": (
        (0.01, 0.03, 0.1, 0.2),
        {
            "lr_decay": (0.0, 0.3),
            "weight_decay": (0.0, 0.1),
            "initial_accumulator_value": (0.0, 0.3),
            "eps": (1e-10, 1e-3),
        },
    ),
    "Adam": ((0.001, 0.003, 0.01, 0.03), BETAS),
    "AdamW": ((0.001, 0.003, 0.01, 0.03), BETAS),
    "Adamax": ((0.001, 0.003, 0.01, 0.03), BETAS),
    "NAdam": ((0.001, 0.003, 0.01, 0.03), BETAS | {"momentum_decay": (0.004, 0.4)}),
    "RAdam": ((0.001, 0.003, 0.01, 0.03), BETAS),
    "RMSprop": (
        (0.001, 0.003, 0.01, 0.03),
        {"momentum": (0.0, 0.9), "alpha": (0.99, 0.5), "eps": (1e-8, 1e-3), "weight_decay": (0.0, 0.1)},
    ),
    "Rprop": (
        (0.001, 0.003, 0.01, 0.03),
        {"etas": ((0.5, 1.2), (0.3, 1.5)), "step_sizes": ((1e-6, 50.0), (1e-3, 0.1))},
    ),
    "SGD": ((0.03, 0.1, 0.2, 0.3), {"momentum": (0.0, 0.9), "dampening": (0.0, 0.3), "weight_decay": (0.0, 0.1)}),
}


def differing(name: str, setting: str) -> dict[str, Any]:
    """Return a rule's settings but the learning rate: both values of one, and the second of all others."""
    others = {key: second for key, (_, second) in RULES[name][1].items()}
    return others | ({setting: grid(*RULES[name][1][setting])} if setting in others else {})


# Settings that are no numbers make families of their own.
FLAGS = [
    named("SGD", lr=grid(0.03, 0.1), momentum=0.9, nesterov=True),
    named("SGD", lr=grid(0.003, 0.01), maximize=True),
    named("Adam", lr=grid(0.003, 0.01), amsgrad=True),
    named("Adam", lr=grid(0.003, 0.01), decoupled_weight_decay=True, weight_decay=grid(0.0, 0.1)),
    named("RMSprop", lr=grid(0.003, 0.01), centered=True),
]
EVERY_RULE = [named(name, lr=grid(*RULES[name][0][1:3]), **differing(name, "betas")) for name in RULES] + FLAGS

# Sizes of a cohort: how many learning rates and seeds.
SIZES = {"R=1": (1, 1), "R=3": (3, 1), "R=16": (4, 4)}


def rates(name: str, size: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the optimizer and the run section of a cohort of one rule."""
    count, seeds = SIZES[size]
    return named(name, lr=grid(*RULES[name][0][:count])), {"epochs": 4, "seeds": seeds, "metrics": ["accuracy"]}


def test_the_table_has_every_rule_and_setting() -> None:
    rules = [c for c in REGISTRY.components("optimizer") if not makes_optimizer(c.load())]
    settings = {
        c.name: {"lr", *(s.name for s in c.settings.values() if not isinstance(s.default, bool))} for c in rules
    }
    assert {name: {"lr", *others} for name, (_, others) in RULES.items()} == settings


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_trains_in_a_linear_stack_as_alone(name: str, size: str, plan: MakePlan) -> None:
    optimizer, run = rates(name, size)
    cohort = Cohort(plan, optimizer=optimizer, run=run)
    outcomes = cohort.check("linear-stack")
    assert len(outcomes) == int(size.partition("=")[2])
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    assert {outcome.together for outcome in outcomes.values()} == {len(outcomes)}


@pytest.mark.parametrize("size", SIZES)
def test_a_rule_trains_in_a_traced_program_as_alone(size: str, plan: MakePlan) -> None:
    optimizer, run = rates("Adam", size)
    Cohort(plan, optimizer=optimizer, run=run).check("traced")


@pytest.mark.parametrize(("name", "setting"), [(name, key) for name, (_, others) in RULES.items() for key in others])
def test_any_setting_may_differ_between_runs(name: str, setting: str, plan: MakePlan) -> None:
    optimizer = named(name, lr=RULES[name][0][1], **differing(name, setting))
    cohort = Cohort(plan, optimizer=optimizer, run={"epochs": 3, "seeds": 2})
    assert len(cohort.check("linear-stack")) == 4


@pytest.mark.parametrize("batch_size", [8, "full"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_all_rules_in_one_cohort_train_as_alone(program: str, batch_size: Any, plan: MakePlan) -> None:
    data, run = DATA | {"batch_size": batch_size}, {"epochs": 4, "seeds": 2}
    outcomes = Cohort(plan, data=data, optimizer=EVERY_RULE, run=run).check(program).values()
    assert {outcome.together for outcome in outcomes} == {len(outcomes)}


# The class keeps its step size in single precision.
ROUGH = {"ASGD": 1e-7}


@pytest.mark.parametrize("name", [name for name in RULES if hasattr(torch.optim, name)])
def test_a_stack_trains_as_the_class_of_torch_does_by_hand(name: str, plan: MakePlan) -> None:
    setting = next(iter(RULES[name][1]))
    optimizer = named(name, lr=grid(*RULES[name][0][:2]), **differing(name, setting))
    cohort = Cohort(plan, optimizer=optimizer, run={"epochs": 4, "seeds": 2})
    outcomes = cohort.together("linear-stack")
    for run in cohort.runs:
        losses = by_hand(cohort.work, run, getattr(torch.optim, name))
        np.testing.assert_allclose(outcomes[run.id].history["loss"].values, losses, ROUGH.get(name, 1e-9))


def by_hand(work: Workload, run: Run, cls: Any) -> list[float]:
    module, losses = work.make_model(run.seed), []
    opt = cls(module.parameters(), **run.choices["optimizer"].settings)
    feed = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed)
    for x, y in islice(feed, work.schedule.steps):
        opt.zero_grad()
        loss = work.loss(module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        opt.step()
        losses.append(loss.item())
    return losses


# --- every loss

# name, settings, targets, the model's last layers, and whether the Linear stack knows the loss.
LOSSES: list[tuple[str, dict[str, Any], str, tuple[Any, ...], bool]] = [
    ("MSELoss", {}, "real", (linear(4, 1),), True),
    ("MSELoss", {}, "reals", (linear(4, 3),), True),
    ("MSELoss", {"reduction": "sum"}, "reals", (linear(4, 3),), True),
    ("L1Loss", {}, "reals", (linear(4, 3),), True),
    ("L1Loss", {"reduction": "sum"}, "reals", (linear(4, 3),), True),
    ("HuberLoss", {}, "reals", (linear(4, 3),), True),
    ("HuberLoss", {"delta": 0.3}, "reals", (linear(4, 3),), True),
    ("HuberLoss", {"delta": 0.3, "reduction": "sum"}, "reals", (linear(4, 3),), True),
    ("SmoothL1Loss", {}, "reals", (linear(4, 3),), True),
    ("SmoothL1Loss", {"beta": 0.3}, "reals", (linear(4, 3),), True),
    ("SmoothL1Loss", {"beta": 0.0}, "reals", (linear(4, 3),), False),
    ("SmoothL1Loss", {"beta": 0.3, "reduction": "sum"}, "reals", (linear(4, 3),), True),
    ("CrossEntropyLoss", {}, "class", (linear(4, 3),), True),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, "class", (linear(4, 3),), False),
    ("CrossEntropyLoss", {"weight": [1.0, 2.0, 0.5]}, "class", (linear(4, 3),), False),
    ("CrossEntropyLoss", {"reduction": "sum"}, "class", (linear(4, 3),), False),
    ("CrossEntropyLoss", {"ignore_index": 1}, "class", (linear(4, 3),), False),
    ("NLLLoss", {}, "class", (linear(4, 3), named("LogSoftmax", dim=1)), False),
    ("NLLLoss", {"weight": [1.0, 2.0, 0.5]}, "class", (linear(4, 3), named("LogSoftmax", dim=1)), False),
    ("BCELoss", {}, "binary", (linear(4, 3), "Sigmoid"), False),
    ("BCELoss", {"weight": [1.0, 2.0, 0.5]}, "binary", (linear(4, 3), "Sigmoid"), False),
    ("BCEWithLogitsLoss", {}, "binary", (linear(4, 3),), True),
    ("BCEWithLogitsLoss", {"reduction": "sum"}, "binary", (linear(4, 3),), True),
    ("BCEWithLogitsLoss", {}, "two classes", (linear(4, 1),), True),
    ("BCELoss", {}, "two classes", (linear(4, 1), "Sigmoid"), False),
    ("SoftMarginLoss", {}, "two classes", (linear(4, 1),), False),
    ("MSELoss", {}, "class", (linear(4, 1),), True),
    ("squared", {}, "reals", (linear(4, 3),), True),
    ("BCEWithLogitsLoss", {"pos_weight": [1.0, 2.0, 0.5]}, "binary", (linear(4, 3),), False),
    ("SoftMarginLoss", {}, "sign", (linear(4, 3),), False),
    ("HingeEmbeddingLoss", {}, "sign", (linear(4, 3),), False),
    ("KLDivLoss", {"reduction": "batchmean"}, "probabilities", (linear(4, 3), named("LogSoftmax", dim=1)), False),
    (
        "KLDivLoss",
        {"reduction": "sum", "log_target": True},
        "log_probabilities",
        (linear(4, 3), named("LogSoftmax", dim=1)),
        False,
    ),
    ("PoissonNLLLoss", {}, "count", (linear(4, 3),), False),
    ("PoissonNLLLoss", {"full": True}, "count", (linear(4, 3),), False),
    ("MultiLabelMarginLoss", {}, "labels", (linear(4, 3),), False),
    ("MultiLabelSoftMarginLoss", {}, "binary", (linear(4, 3),), False),
    ("MultiMarginLoss", {}, "class", (linear(4, 3),), False),
    ("MultiMarginLoss", {"p": 2, "weight": [1.0, 2.0, 0.5]}, "class", (linear(4, 3),), False),
]


def test_the_table_has_every_loss() -> None:
    listed = {name for name, function in vars(torch_losses).items() if inspect.isfunction(function)}
    assert {name for name, *_ in LOSSES} == listed | {"squared"}


@pytest.mark.parametrize(
    ("name", "settings", "target", "head", "stacked"),
    [pytest.param(*case, id=" ".join([case[0], *map(str, case[1].values())])) for case in LOSSES],
)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_a_loss_trains_together_as_alone(
    name: str, settings: dict[str, Any], target: str, head: tuple[Any, ...], stacked: bool, plan: MakePlan
) -> None:
    model = layers(linear(3, 4), "Tanh", *head)
    data, loss = FULL | {"target": target}, named(name, **settings)
    cohort = Cohort(plan, data=data, model=model, loss=loss, optimizer=SGD, run={"steps": 6})
    assert cohort.programs[0] == ("linear-stack" if stacked else "traced")
    outcomes = cohort.check(cohort.programs[0]).values()
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert len({outcome.history["loss"].values[-1] for outcome in outcomes}) == 3  # it did learn


# --- every kind of model

IMAGES = named("points", target="class", batch_size=8, valid=0.2, shape=[1, 6, 6])
CONV1D = named("Conv1d", in_channels=2, out_channels=4, kernel_size=2)
CONV = (named("Conv2d", in_channels=1, out_channels=2, kernel_size=3), "ReLU")

# name: the data, the layers, whether it is a Linear stack
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "softmax regression": (DATA, layers(linear(3, 3)), True),
    "softmax regression without bias": (DATA, layers(linear(3, 3, bias=False)), True),
    "ReLU": (DATA, layers(linear(3, 4), "ReLU", linear(4, 3)), True),
    "Tanh": (DATA, layers(linear(3, 4), "Tanh", linear(4, 3)), True),
    "Sigmoid": (DATA, layers(linear(3, 4), "Sigmoid", linear(4, 3)), True),
    "no bias": (DATA, layers(linear(3, 4, bias=False), "Tanh", linear(4, 3, bias=False)), True),
    "no first bias": (DATA, layers(linear(3, 4, bias=False), "Tanh", linear(4, 3)), True),
    "no last bias": (DATA, layers(linear(3, 4), "Tanh", linear(4, 3, bias=False)), True),
    "three layers": (DATA, layers(linear(3, 5), "ReLU", linear(5, 5), "Tanh", linear(5, 3)), True),
    "same widths": (DATA, layers(linear(3, 3), "ReLU", linear(3, 3), "ReLU", linear(3, 3)), True),
    "wide": (DATA | {"shape": [20]}, layers(linear(20, 4), "Tanh", linear(4, 3)), True),
    "Flatten": (IMAGES, layers("Flatten", linear(36, 4), "ReLU", linear(4, 3)), True),
    "two Linears": (DATA, layers(linear(3, 4), linear(4, 3)), False),
    "ends in an activation": (DATA, layers(linear(3, 4), "ReLU", linear(4, 3), "Tanh"), False),
    "GELU": (DATA, layers(linear(3, 4), "GELU", linear(4, 3)), False),
    "ReLU in place": (DATA, layers(linear(3, 4), named("ReLU", inplace=True), "Identity", linear(4, 3)), False),
    "PReLU": (DATA, layers(linear(3, 4), "PReLU", linear(4, 3)), False),
    "LayerNorm": (DATA, layers(linear(3, 4), named("LayerNorm", normalized_shape=4), "ReLU", linear(4, 3)), False),
    "Conv2d": (IMAGES, layers(*CONV, named("MaxPool2d", kernel_size=2), "Flatten", linear(8, 3)), False),
    "Dropout": (DATA, layers(linear(3, 8), "ReLU", named("Dropout", p=0.4), linear(8, 3)), False),
    "Dropout first": (DATA, layers(named("Dropout", p=0.4), linear(3, 3)), False),
    "two Dropouts": (
        DATA,
        layers(linear(3, 8), named("Dropout", p=0.4), "Tanh", named("Dropout", p=0.2), linear(8, 3)),
        False,
    ),
    "Dropout of nothing, and more": (
        DATA,
        layers(linear(3, 8), named("Dropout", p=0.0), "Tanh", named("Dropout", p=0.2), linear(8, 3)),
        False,
    ),
    "Dropout of all": (DATA, layers(linear(3, 8), named("Dropout", p=1.0), linear(8, 3)), False),
    "Dropout1d": (
        DATA | {"shape": [2, 3]},
        layers(CONV1D, named("Dropout1d", p=0.4), "Flatten", linear(8, 3)),
        False,
    ),
    "Dropout2d": (IMAGES, layers(*CONV, named("Dropout2d", p=0.4), "Flatten", linear(32, 3)), False),
    "BatchNorm1d": (DATA, layers(linear(3, 4), named("BatchNorm1d", num_features=4), "ReLU", linear(4, 3)), False),
    "BatchNorm2d": (
        IMAGES,
        layers(CONV[0], named("BatchNorm2d", num_features=2), "ReLU", "Flatten", linear(32, 3)),
        False,
    ),
    "BatchNorm and Dropout": (
        DATA,
        layers(linear(3, 8), named("BatchNorm1d", num_features=8), named("Dropout", p=0.4), linear(8, 3)),
        False,
    ),
    "BatchNorm alone": (
        DATA,
        layers(linear(3, 8), named("BatchNorm1d", num_features=8, affine=False, momentum=0.5), linear(8, 3)),
        False,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_together_as_alone(name: str, plan: MakePlan) -> None:
    data, model, stacked = MODELS[name]
    cohort = Cohort(plan, data=data, model=model, run={"epochs": 4, "seeds": [1, 4], "metrics": ["accuracy"]})
    assert cohort.programs[0] == ("linear-stack" if stacked else "traced")
    assert {outcome.status for outcome in cohort.check(cohort.programs[0]).values()} == {"done"}


@pytest.mark.parametrize("name", ["softmax regression", "ReLU", "three layers", "Flatten"])
def test_a_chain_of_linear_layers_trains_in_a_traced_program_as_alone(name: str, plan: MakePlan) -> None:
    data, model, _ = MODELS[name]
    Cohort(plan, data=data, model=model, run={"epochs": 4, "seeds": [1, 4], "metrics": ["accuracy"]}).check("traced")


FULL_BATCHES = ["softmax regression", "Tanh", "no bias", "wide", "Flatten", "LayerNorm", "Conv2d", "BatchNorm1d"]
FULL_BATCHES += ["Dropout", "Dropout2d", "BatchNorm and Dropout"]


@pytest.mark.parametrize("name", FULL_BATCHES)
def test_a_model_trains_together_as_alone_on_full_batches(name: str, plan: MakePlan) -> None:
    data, model, _ = MODELS[name]
    cohort = Cohort(plan, data=data | {"batch_size": "full"}, model=model, run={"steps": 4, "seeds": [1, 4]})
    cohort.check(cohort.programs[0])


def test_the_regression_with_two_named_parameters_trains_together_as_alone(plan: MakePlan) -> None:
    model = named("linear", w=[0.1, 0.2, 0.3], b=0.4)
    for batch_size in (8, "full"):
        data = DATA | {"target": "real", "batch_size": batch_size}
        cohort = Cohort(plan, data=data, model=model, loss=named("MSELoss"), run={"epochs": 4, "seeds": 2})
        for program in PROGRAMS:
            outcomes = cohort.check(program)
            assert {tuple(outcome.parameters) for outcome in outcomes.values()} == {("w[0]", "w[1]", "w[2]", "b")}


@pytest.mark.parametrize("batch_size", [1, 5, 16, 100])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_batch_size_trains_together_as_alone(program: str, batch_size: int, plan: MakePlan) -> None:
    cohort = Cohort(plan, data=DATA | {"batch_size": batch_size}, run={"epochs": 2, "seeds": 3})
    assert len(cohort.work.train) == 16
    cohort.check(program)


# --- models as users write them


class Tied(nn.Module):
    """Uses one weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(self.first(x).tanh())
        return result


class PartlyUsed(nn.Module):
    """Has a layer that its output does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(3, 3), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.used(x)
        return result


class Counting(nn.Module):
    """Keeps a count in a buffer, in place, as BatchNorm does."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.count += 1
        result: Tensor = self.inner(x) * (1 + self.count)
        return result


class Scaled(nn.Module):
    """Has a parameter without a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.scale = nn.Linear(3, 3), nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x) * self.scale
        return result


def chain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def partly_frozen() -> nn.Module:
    module = chain()
    module[0].requires_grad_(False)
    return module


def reparametrised() -> nn.Module:
    module = chain()
    torch.nn.utils.parametrizations.weight_norm(module[0])
    return module


MODELS_OF_USERS: dict[str, Callable[[], nn.Module]] = {
    "tied": Tied,
    "partly used": PartlyUsed,
    "counting": Counting,
    "scaled": Scaled,
    "partly frozen": partly_frozen,
    "reparametrised": reparametrised,
}


@pytest.mark.parametrize("name", MODELS_OF_USERS)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_a_model_of_a_user_trains_together_as_alone(name: str, plan: MakePlan) -> None:
    model("mine")(lambda x, y: MODELS_OF_USERS[name]())
    optimizers = [SGD, named("Adam", lr=0.01, weight_decay=0.1)]
    cohort = Cohort(plan, model=named("mine"), optimizer=optimizers, run={"epochs": 3, "seeds": 2})
    cohort.check("traced")


def test_a_loss_of_a_user_trains_together_as_alone(plan: MakePlan) -> None:
    @loss("cubic")
    def cubic(prediction: Tensor, target: Tensor, *, power: float = 3.0) -> Tensor:
        return ((prediction - target).abs() ** power).mean()

    data = DATA | {"target": "reals"}
    Cohort(plan, data=data, loss=named("cubic", power=2.5), run={"epochs": 3, "seeds": 2}).check("traced")


@pytest.mark.parametrize("program", PROGRAMS)
def test_metrics_that_cannot_be_batched_are_measured_run_by_run(program: str, plan: MakePlan) -> None:
    @metric("with_numpy")
    def with_numpy(prediction: Tensor, target: Tensor) -> float:
        return float((prediction.numpy().argmax(1) == target.numpy()).mean())

    @metric("with_branch")
    def with_branch(prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.mean() if (prediction > 0.1).all() else prediction.max()

    run = {"epochs": 3, "seeds": 2, "metrics": ["with_numpy", "with_branch", "accuracy"]}
    Cohort(plan, run=run).check(program)


# --- rules as users write them


def normalised(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g / g.norm()


def by_shape(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g if w.ndim == 2 else w


def normalised_momentum(w: Tensor, g: Tensor, v: Tensor, t: int, *, lr: float = 0.1, keep: float = 0.5) -> Any:
    v = keep * v + g / (t * g.abs().max())
    return w - lr * v, v


def normalised_on_demand(w: Tensor, g: Tensor, *, lr: float = 0.1, norm: bool = False) -> Tensor:
    return w - lr * (g / g.norm() if norm else g)


def limited(w: Tensor, g: Tensor, *, lr: float = 0.1, most: float = 0.0) -> Tensor:
    return w - lr * (g * (most / g.norm()).clamp(max=1.0) if most else g)


def normalised_later(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    return w - lr * (g / g.norm() if t > 3 else g)


def clip(g: Tensor, most: float) -> Tensor:  # torch's function of this name works on each element by itself
    return g * (most / g.norm()).clamp(max=1.0)


def clipped(w: Tensor, g: Tensor, *, lr: float = 0.1, most: float = 0.0) -> Tensor:
    return w - lr * (clip(g, most) if most else g)


def with_helper(normalise: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def rule(w: Tensor, g: Tensor, *, lr: float = 0.1, norm: bool = False) -> Tensor:
        return w - lr * (normalise(g) if norm else g)

    return rule


def by_batch(w: Tensor, g: Tensor, t: int, n: int, *, lr: float = 0.1) -> Tensor:
    return w - lr * n / (8 * t) * g


def optimistic(w: Tensor, g: Tensor, before: Tensor, *, lr: float = 0.1) -> Any:
    return w - lr * (2 * g - before), g


def heavy_ball(w: Tensor, g: Tensor, before: Tensor, t: int, *, lr: float = 0.1, keep: float = 0.5) -> Any:
    return w - lr * g + (t > 1) * keep * (w - before), w


def late_start(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    return w if t < 3 else w - lr * g


def in_place(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1) -> Any:
    v.mul_(0.5).add_(g)
    w -= lr * v
    return w, v


RULES_OF_USERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "whole parameter": (normalised, {}),
    "by shape": (by_shape, {}),
    "whole parameter, state and step": (normalised_momentum, {"keep": grid(0.2, 0.8)}),
    "whole parameter where a flag says so": (normalised_on_demand, {"norm": True}),
    "whole parameter where a number says so": (limited, {"most": 0.1}),
    "whole parameter from a step on": (normalised_later, {}),
    "whole parameter in a helper named like torch's": (clipped, {"most": 0.1}),
    "whole parameter in a helper from around": (with_helper(lambda g: g / g.norm()), {"norm": True}),
    "batch size": (by_batch, {}),
    "the gradient as state": (optimistic, {}),
    "the parameter as state": (heavy_ball, {}),
    "the parameter unchanged": (late_start, {}),
    "in place": (in_place, {}),
}


@pytest.mark.parametrize("name", RULES_OF_USERS)
def test_a_rule_of_a_user_means_alone_what_it_says(name: str, plan: MakePlan) -> None:
    check_rule(name, "alone", plan)


@pytest.mark.parametrize("name", RULES_OF_USERS)
def test_a_rule_of_a_user_means_together_what_it_says(name: str, plan: MakePlan) -> None:
    check_rule(name, "linear-stack", plan)


@pytest.mark.parametrize("name", ["whole parameter, state and step", "by shape"])
def test_a_rule_of_a_user_means_in_a_traced_program_what_it_says(name: str, plan: MakePlan) -> None:
    check_rule(name, "traced", plan)


def check_rule(name: str, way: str, plan: MakePlan) -> None:
    function, settings = RULES_OF_USERS[name]
    optimizer("mine")(function)
    mine, others = named("mine", lr=grid(0.01, 0.1, 0.2), **settings), named("SGD", lr=grid(0.03, 0.1))
    cohort = Cohort(plan, data=DATA | {"batch_size": 6}, optimizer=[others, mine], run={"epochs": 3, "seeds": 2})
    outcomes = cohort.alone() if way == "alone" else cohort.together(way)
    for run in cohort.runs:
        if run.choices["optimizer"].name == "mine":
            losses = by_definition(function, cohort.work, run)
            np.testing.assert_allclose(outcomes[run.id].history["loss"].values, losses, 1e-9)


def by_definition(function: Callable[..., Any], work: Workload, run: Run) -> list[float]:
    """Train with a rule applied to copies of each parameter and its gradient; return the losses."""
    module, losses = work.make_model(run.seed), []
    feed = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed)
    rule = read_rule(function)
    states = {p: tuple(torch.zeros_like(p) for _ in rule.states) for p in module.parameters()}
    for t, (x, y) in enumerate(islice(feed, work.schedule.steps), 1):
        loss = work.loss(module(x), y)
        gradients = torch.autograd.grad(loss, list(states))
        for (p, state), g in zip(states.items(), gradients, strict=True):
            copies = p.detach().clone(), g.clone(), tuple(part.clone() for part in state)
            new, states[p] = rule.update(*copies, t, len(x), run.choices["optimizer"].settings)
            p.data.copy_(new)
        losses.append(loss.item())
    return losses


# --- each run has a life of its own


@pytest.mark.parametrize("program", PROGRAMS)
def test_neighbours_of_a_diverging_run_are_the_same_to_the_last_bit(program: str, plan: MakePlan) -> None:
    def outcomes(lr: float) -> tuple[Cohort, dict[str, Outcome]]:
        optimizers = [named("SGD", lr=grid(0.03, lr, 0.1), momentum=0.5), named("Adam", lr=grid(0.01, 0.1))]
        run = {"steps": 40, "seeds": 2, "evaluate_every": 10}  # no column leaves before the end
        cohort = Cohort(plan, data=REAL, model=TINY, loss=MSE, optimizer=optimizers, run=run)
        return cohort, cohort.together(program)

    wild, tame = outcomes(WILD), outcomes(0.05)
    assert {outcome.status for outcome in tame[1].values()} == {"done"}
    for outcome in wild[0].with_lr(wild[1], WILD):
        assert outcome.status == "diverged"
        assert 2 < outcome.steps < 39
    neighbours = wild[1].keys() & tame[1].keys()
    assert len(neighbours) == 8
    for run in neighbours:
        identical(wild[1][run], tame[1][run])


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_run_diverges_together_as_alone(program: str, plan: MakePlan) -> None:
    optimizers = [named("SGD", lr=grid(0.03, WILD, 0.1)), named("Adam", lr=grid(0.01, WILDEST, 0.1))]
    run = {"steps": 40, "seeds": 2, "metrics": ["mae"]}
    cohort = Cohort(plan, data=REAL, model=TINY, loss=MSE, optimizer=optimizers, run=run)
    outcomes = cohort.check(program)
    for lr, status in {WILD: "diverged", WILDEST: "diverged", 0.1: "done"}.items():
        assert {outcome.status for outcome in cohort.with_lr(outcomes, lr)} == {status}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_run_that_diverges_just_before_an_evaluation_is_not_evaluated(program: str, plan: MakePlan) -> None:
    optimizers = named("SGD", lr=grid(0.03, WILDEST))
    data = REAL | {"batch_size": 8}  # two steps an epoch
    Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run={"epochs": 2}).check(program)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("measured", [True, False])
def test_thinned_histories_have_the_last_step_of_every_run(measured: bool, program: str, plan: MakePlan) -> None:
    optimizers = [named("SGD", lr=grid(0.001, WILD, 0.1)), named("Adam", lr=grid(0.01, WILDEST, 0.1))]
    run = {"steps": 40, "seeds": 2, "record_every": 6, "stop": {"loss_below": 0.02}}
    data = REAL | ({} if measured else {"valid": 0.0})
    cohort = Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run=run)
    outcomes = cohort.check(program).values()
    assert {outcome.status for outcome in outcomes} == {"done", "diverged", "stopped"}
    assert all(outcome.history["loss"].steps[-1] == outcome.steps for outcome in outcomes)


@pytest.mark.parametrize("program", PROGRAMS)
def test_how_often_the_losses_are_looked_at_changes_nothing(
    program: str, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers = [named("SGD", lr=grid(0.03, WILD, 0.1)), named("Adam", lr=grid(0.01, WILDEST, 0.1))]
    run = {"steps": 40, "seeds": 2, "record_every": 6, "evaluate_every": 5}
    cohort = Cohort(plan, data=REAL, model=TINY, loss=MSE, optimizer=optimizers, run=run)
    expected = cohort.alone()
    monkeypatch.setattr(schedule, "BLOCK", 3)
    for run_id, outcome in cohort.together(program).items():
        same(outcome, expected[run_id])


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_cohort_in_which_all_runs_diverge_ends_early(program: str, plan: MakePlan) -> None:
    optimizers = named("SGD", lr=grid(WILD, WILDEST))
    run = {"steps": 3000, "seeds": 2}
    outcomes = Cohort(plan, data=REAL, model=TINY, loss=MSE, optimizer=optimizers, run=run).check(program)
    assert {o.status for o in outcomes.values()} == {"diverged"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_evaluation_can_show_a_divergence(program: str, plan: MakePlan) -> None:
    data, optimizers = REAL | {"batch_size": "full"}, named("SGD", lr=grid(0.01, 1e160))
    cohort = Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run={"steps": 3})
    [diverged] = [o for o in cohort.check(program).values() if o.status == "diverged"]
    assert diverged.reason == "valid.loss is inf after step 1"


@pytest.mark.parametrize("program", PROGRAMS)
def test_of_several_losses_that_are_not_finite_the_first_is_named(program: str, plan: MakePlan) -> None:
    data, optimizers = REAL | {"batch_size": "full"}, named("SGD", lr=grid(0.01, 1e160))
    cohort = Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run={"steps": 3, "metrics": ["mae"]})
    [diverged] = [o for o in cohort.check(program).values() if o.status == "diverged"]
    assert diverged.reason == "train.loss is inf after step 1"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_run_that_stops_and_is_not_finite_on_the_held_out_rows_has_diverged(program: str, plan: MakePlan) -> None:
    @data("far", parts=("valid",))
    def far() -> Table:
        near = points()
        return Table(near.inputs, near.targets, valid=Table(1e200 * near.inputs.double(), near.targets))

    run = {"steps": 3, "stop": {"loss_below": 1e3}, "save": "last"}
    model = layers(linear(3, 1))
    cohort = Cohort(plan, data=named("far", batch_size="full"), model=model, loss=MSE, run=run)
    for outcome in cohort.check(program).values():
        assert (outcome.status, outcome.reason) == ("diverged", "valid.loss is inf after step 1")
        assert outcome.history["loss"].steps.tolist() == [1]
        assert outcome.history["valid.loss"].steps.tolist() == [0, 1]
        assert not outcome.state


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_last_step_into_infinity_is_a_divergence(program: str, plan: MakePlan) -> None:
    data, run = REAL | {"valid": 0.0}, {"steps": 1, "dtype": "float32"}
    optimizers = named("SGD", lr=grid(0.1, 1e39))
    outcomes = Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run=run).together(program)
    last = list(outcomes.values())[1]
    assert (last.status, last.reason) == ("diverged", "parameters are not finite after step 1")
    assert [o.status for o in outcomes.values()] == ["done", "diverged"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_run_stops_together_at_its_step_as_alone(program: str, plan: MakePlan) -> None:
    optimizers = [named("SGD", lr=grid(0.001, 0.03, 0.1, 0.3)), named("Adam", lr=grid(0.03, 0.1))]
    run = {"epochs": 12, "seeds": 2, "stop": {"loss_below": 0.4}, "metrics": ["mae"]}
    data = REAL | {"batch_size": 8}
    outcomes = Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run=run).check(program).values()
    assert {o.status for o in outcomes} == {"done", "stopped"}
    stopped = [o for o in outcomes if o.status == "stopped"]
    assert len({o.steps for o in stopped}) > 2
    for outcome in stopped:
        assert outcome.parameters
        loss, measured = outcome.history["loss"], outcome.history["valid.loss"]
        assert loss.values[-1] < 0.4 <= loss.values[:-1].min()
        assert loss.steps[-1] == measured.steps[-1] == outcome.steps


# What a step leaves behind must follow its run when others leave: averages, running statistics, random streams.
BATCH_NORM = layers(
    linear(3, 8, bias=False), named("BatchNorm1d", num_features=8), named("Dropout", p=0.2), linear(8, 1)
)
LIVES: dict[str, dict[str, Any]] = {
    "linear-stack": layers(linear(3, 8), "ReLU", linear(8, 1)),
    "traced": BATCH_NORM,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_runs_that_end_early_change_nothing_for_the_others(program: str, plan: MakePlan) -> None:
    optimizers = [
        named("SGD", lr=grid(WILDEST, 0.001, 0.01), momentum=0.9),
        named("Adam", lr=grid(0.001, 0.1, 0.3), betas=grid((0.9, 0.999), (0.5, 0.9))),
        named("scratch.momentum", lr=grid(0.003, WILDEST, 0.01)),
    ]
    run = {"epochs": 10, "seeds": 3, "stop": {"loss_below": 0.03}}
    cohort = Cohort(plan, data=REAL, model=LIVES[program], loss=MSE, optimizer=optimizers, run=run)
    outcomes = cohort.check(program).values()
    assert {o.status for o in outcomes} == {"done", "stopped", "diverged"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_settings_leave_when_all_their_seeds_have_ended(
    program: str, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers = named("SGD", lr=grid(0.001, 0.1, 0.15, 0.3))
    run = {"epochs": 12, "seeds": 3, "stop": {"loss_below": 0.35}}
    data = REAL | {"batch_size": 8}
    cohort = Cohort(plan, data=data, model=TINY, loss=MSE, optimizer=optimizers, run=run)
    widths = []
    leave_out = Training.leave_out_ended

    def spy(training: Training) -> None:
        leave_out(training)
        widths.append((training.steps, training.program.shape[1]))

    monkeypatch.setattr(Training, "leave_out_ended", spy)
    [grid_] = cohort.grids
    ends = {run: outcome.steps for run, outcome in cohort.together(program).items()}
    columns = list(zip(*[[ends[run.id] for run in group] for group in grid_.runs], strict=True))
    assert widths[:-1] == [(step, sum(max(column) > step for column in columns)) for step, _ in widths[:-1]]
    assert len({width for _, width in widths}) > 2
    assert any(min(column) < step <= max(column) for step, _ in widths for column in columns)


# --- single precision

# The MLP is smooth, so that its curves do not fork; Adam's bias correction is where single precision is thin.
DIGITS = named("digits", batch_size=64, valid=0.2)
DIGITS_MLP = layers(linear(64, 32), "Tanh", linear(32, 10))


@pytest.mark.parametrize(
    "optimizer",
    [
        named("SGD", lr=grid(0.03, 0.1, 0.3), momentum=0.9),
        named("SGD", lr=0.1, momentum=grid(0.0, 0.5, 0.9)),
        named("Adam", lr=grid(0.001, 0.003, 0.01)),
        named("Adam", lr=0.003, betas=grid((0.9, 0.999), (0.9, 0.99))),
    ],
    ids=lambda optimizer: " ".join(optimizer),
)
def test_single_precision_differs_no_more_than_by_the_order_of_a_sum(
    optimizer: dict[str, Any], plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {"steps": 50, "dtype": "float32", "seeds": 2}
    cohort = Cohort(plan, data=DIGITS, model=DIGITS_MLP, optimizer=optimizer, run=run)
    expected, found = cohort.alone(), [cohort.together(program) for program in PROGRAMS]
    monkeypatch.setattr(feeds, "batches", shuffled)
    control = cohort.alone()

    def apart(one: dict[str, Outcome]) -> float:
        curves = [(one[run].history["loss"].values, o.history["loss"].values) for run, o in expected.items()]
        return max(float(np.abs(a / b - 1).max()) for a, b in curves)

    assert apart(control) > 0
    assert max(map(apart, found)) < 20 * apart(control)


def shuffled(
    inputs: Tensor, targets: Tensor, batch_size: int | None, seed: int, taken: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of a run, each with its rows in another order."""
    generator = torch.Generator().manual_seed(99)
    for x, y in batches(inputs, targets, batch_size, seed, taken):
        order = torch.randperm(len(x), generator=generator)
        yield x[order], y[order]


# --- memory, devices, and cohorts that were interrupted


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_evaluation_in_chunks_is_the_same(program: str, plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, evaluation=1)
    optimizers = [SGD, named("Adam", lr=grid(0.01, 0.03))]
    data, model, _ = MODELS["BatchNorm1d"] if program == "traced" else MODELS["ReLU"]
    run = {"epochs": 2, "seeds": 2, "metrics": ["accuracy"]}
    Cohort(plan, data=data, model=model, optimizer=optimizers, run=run).check(program)


def test_data_too_large_to_be_put_in_order_at_once_is_seen_in_the_same_order(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = Cohort(plan, data=DATA | {"batch_size": 5}, run={"epochs": 3, "seeds": 3})
    expected = cohort.alone()
    limit(monkeypatch, epoch=0)
    for run, outcome in cohort.together("linear-stack").items():
        same(outcome, expected[run])


@pytest.mark.parametrize("batch_size", [8, "full"])
def test_what_an_interrupted_cohort_lacks_is_trained_as_alone(batch_size: Any, plan: MakePlan) -> None:
    optimizers = [named("Adam", lr=grid(0.003, 0.01, 0.03)), SGD]
    data, run = DATA | {"batch_size": batch_size}, {"epochs": 3, "seeds": 4}
    cohort = Cohort(plan, data=data, optimizer=optimizers, run=run)
    cohort.runs = [run for i, run in enumerate(cohort.runs) if i not in (0, 1, 2, 3, 5, 6, 10, 17)]
    cohort.check("linear-stack")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("name", ["Tanh", "Conv2d", "LayerNorm", "BatchNorm1d"])
def test_runs_train_together_on_a_gpu_as_alone(name: str, plan: MakePlan) -> None:
    data, model, _ = MODELS[name]
    run = {"epochs": 4, "seeds": 2, "metrics": ["accuracy"]}
    cohort = Cohort(plan, data=data, model=model, optimizer=EVERY_RULE, run=run)
    cohort.work = make_workload(REGISTRY, cohort.runs[0], torch.device("cuda"))
    for program in cohort.programs:
        assert {outcome.status for outcome in cohort.check(program).values()} == {"done"}
