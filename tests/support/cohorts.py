"""Runs of one workload from plain values, and the ways to train them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.training import MakePlan
from torch import Tensor
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import make_workload

CPU = torch.device("cpu")


PROGRAMS = ("linear-stack", "traced")


TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "real": lambda score: score[:, :1],
    "reals": lambda score: score,
    "class": lambda score: score.argmax(1),
    "two classes": lambda score: (score[:, 0] > 0).long(),
    "probabilities": lambda score: score.softmax(1),
    "log_probabilities": lambda score: score.log_softmax(1),
    "binary": lambda score: (score > 0).float(),
    "sign": lambda score: score.sign(),
    "count": lambda score: score.abs().round(),
    "labels": lambda score: torch.stack([score.argmax(1), *(-torch.ones(2, len(score)).long())], 1),
}


def points(*, target: str = "real", rows: int = 20, shape: list[int] = [3]) -> Table:  # noqa: B006 - never changed
    """Normally distributed inputs [rows, *shape], and targets that a noisy linear map gives them."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(rows, *shape, generator=generator)
    features = inputs.flatten(1)
    score = features @ torch.randn(features.shape[1], 3, generator=generator)
    return Table(inputs, TARGETS[target](score + 0.3 * torch.randn(rows, 3, generator=generator)))


def named(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, **settings}


def grid(*values: Any) -> dict[str, Any]:
    return {"grid": values}


def linear(inputs: int, outputs: int, **settings: Any) -> dict[str, Any]:
    return named("Linear", in_features=inputs, out_features=outputs, **settings)


def layers(*items: str | dict[str, Any]) -> dict[str, Any]:
    return named("layers", layers=[named(item) if isinstance(item, str) else item for item in items])


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


MLP = layers(linear(3, 4), "Tanh", linear(4, 3))


TINY = layers(linear(3, 2), "Tanh", linear(2, 1))  # its 11 parameters are part of an outcome


SGD = named("SGD", lr=grid(0.03, 0.1, 0.3))


class Cohort:
    """Runs of one workload, and the ways to train them."""

    def __init__(self, plan: MakePlan, **sections: Any) -> None:
        run = {"dtype": "float64", **sections.pop("run", {})}
        spec = {"data": DATA, "model": MLP, "loss": named("CrossEntropyLoss"), "optimizer": SGD, **sections, "run": run}
        [cohort] = plan("\n".join(f"{key} = {toml(value)}" for key, value in spec.items())).cohorts(set())
        self.runs = cohort.runs
        self.work = make_workload(REGISTRY, self.runs[0], CPU)

    @property
    def grids(self) -> list[Grid]:
        return grids_of(self.work, self.runs)

    @property
    def programs(self) -> list[str]:
        stack = LinearStack.of(self.work.make_model(0), self.work.loss, self.work.train.targets)
        return [*PROGRAMS] if isinstance(stack, LinearStack) else ["traced"]

    def alone(self) -> dict[str, Outcome]:
        return {run.id: train_alone(self.work, run) for run in self.runs}

    def together(self, program: str, shards: int = 1) -> dict[str, Outcome]:
        units = [ExecutionUnit(grid, program, "", None, shards=shards) for grid in self.grids]
        return {outcome.run: outcome for unit in units for outcome in train_in_shards(self.work, unit)}

    def check(self, program: str, shards: int = 1) -> dict[str, Outcome]:
        """See that the runs end together as they do alone; return how they ended."""
        expected, found = self.alone(), self.together(program, shards)
        assert found.keys() == expected.keys()
        for run in self.runs:
            same(found[run.id], expected[run.id])
        return found

    def with_lr(self, outcomes: dict[str, Outcome], lr: float) -> list[Outcome]:
        return [outcomes[run.id] for run in self.runs if run.choices["optimizer"].settings["lr"] == lr]


DATA = named("points", target="class", batch_size=8, valid=0.2)


FULL = DATA | {"batch_size": "full"}


def same(one: Outcome, other: Outcome, rel: float = 1e-9) -> None:
    """See that two outcomes tell the same story, their numbers equal up to rounding."""
    assert (one.status, one.steps, one.epochs) == (other.status, other.steps, other.epochs)
    assert one.reason == other.reason
    assert one.history.keys() == other.history.keys()
    for name, series in other.history.items():
        assert one.history[name].steps.tolist() == series.steps.tolist(), name
        np.testing.assert_allclose(one.history[name].values, series.values, rel, 1e-12, err_msg=name)
    assert one.parameters == pytest.approx(other.parameters, rel=rel, abs=1e-12)
    assert one.kept == pytest.approx(other.kept, rel=rel, abs=1e-12)


REAL = named("points", target="real", batch_size=4, valid=0.2)  # four steps an epoch


MSE = named("MSELoss")


WILD = 1e15  # a learning rate that overflows after some steps, between two evaluations


WILDEST = 1e200  # and one that overflows at the second step
