"""Each from-scratch rule against the published recurrences, worked out number by number."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from xprun.plugins.optimizers import textbook as scratch
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine.update_rules import read_rule

GRADIENTS = [0.5, -1.25, 3.0, 0.0, 1e-3, -2.0]
LR, D = 0.1, 1e-7


def gd() -> list[float]:
    w, path = 1.0, []
    for g in GRADIENTS:
        w -= LR * g
        path.append(w)
    return path


def momentum() -> list[float]:
    w, v, path = 1.0, 0.0, []
    for g in GRADIENTS:
        v = 0.8 * g + 0.2 * v
        w -= LR * v
        path.append(w)
    return path


def adagrad() -> list[float]:
    w, s, path = 1.0, 0.0, []
    for g in GRADIENTS:
        s += g * g
        w -= LR * g / (math.sqrt(s) + D)
        path.append(w)
    return path


def rmsprop() -> list[float]:
    w, s, path = 1.0, 0.0, []
    for g in GRADIENTS:
        s = 0.8 * s + 0.2 * g * g
        w -= LR * g / (math.sqrt(s) + D)
        path.append(w)
    return path


def adam() -> list[float]:
    w, v, s, path = 1.0, 0.0, 0.0, []
    for g in GRADIENTS:
        v = 0.8 * v + 0.2 * g
        s = 0.8 * s + 0.2 * g * g
        w -= LR * v / (math.sqrt(s) + D)
        path.append(w)
    return path


EXPECTED: dict[str, Callable[[], list[float]]] = {
    "scratch.gd": gd,
    "scratch.minibatch_sgd": gd,  # of one row
    "scratch.momentum": momentum,
    "scratch.adagrad": adagrad,
    "scratch.rmsprop": rmsprop,
    "scratch.adam": adam,
}


def test_every_rule_of_the_module_is_tested() -> None:
    names = {n for n in REGISTRY.names("optimizer") if n.startswith("scratch.")}
    assert names == set(EXPECTED)
    assert scratch.__doc__ is not None


@pytest.mark.parametrize("name", EXPECTED)
def test_a_rule_follows_its_recurrence(name: str) -> None:
    rule = read_rule(REGISTRY.find("optimizer", name).load())
    w = torch.tensor([1.0], dtype=torch.float64)
    states = tuple(torch.zeros_like(w) for _ in rule.states)
    path = []
    for t, g in enumerate(GRADIENTS, 1):
        w, states = rule.update(w, torch.tensor([g], dtype=torch.float64), states, t, 1, {"lr": LR})
        path.append(w.item())
    assert path == pytest.approx(EXPECTED[name](), rel=1e-12, abs=1e-12)


def test_a_mini_batch_step_is_divided_by_the_rows_of_the_batch() -> None:
    w, g = torch.tensor([1.0]), torch.tensor([20.0])
    assert scratch.minibatch_sgd(w, g, 10, lr=0.1).item() == pytest.approx(0.8)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_rule_leaves_its_inputs_alone_and_is_elementwise(name: str) -> None:
    rule = read_rule(REGISTRY.find("optimizer", name).load())
    w, g = torch.ones(3), torch.full((3,), 2.0)
    states = tuple(torch.full((3,), 0.5) for _ in rule.states)
    rule.update(w, g, states, 1, 1, {"lr": 0.1})
    assert w.tolist() == [1.0] * 3
    assert g.tolist() == [2.0] * 3
    assert all(state.tolist() == [0.5] * 3 for state in states)
    assert rule.elementwise
