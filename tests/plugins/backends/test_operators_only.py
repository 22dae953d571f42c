"""A rule that is made of operators is told from one that only one framework can compute, without any framework."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from xprun.plugins.backends.operators_only import other_than_operators
from xprun.plugins.registry import REGISTRY
from xprun.plugins.rule_calls import RuleCall
from xprun.plugins.signature import positional_names

TEXTBOOK = ("gd", "minibatch_sgd", "momentum", "adagrad", "rmsprop", "adam")


def rule(function: Any) -> RuleCall:
    return RuleCall(function, positional_names(function))


@pytest.mark.parametrize("name", TEXTBOOK)
def test_the_textbook_rules_are_made_of_operators(name: str) -> None:
    component = REGISTRY.find("optimizer", f"scratch.{name}")
    settings = {key: setting.typed_default for key, setting in component.settings.items()}
    assert other_than_operators(rule(component.signature), settings) == ""


def with_correction(w: Any, g: Any, m: Any, v: Any, t: Any, *, beta: float = 0.9) -> Any:
    m, v = beta * m + (1 - beta) * g, beta * v + (1 - beta) * g**2
    return w - m / (1 - beta**t) / (abs(v / (1 - beta**t)) ** 0.5 + 1e-8), m, v


def test_a_rule_may_reckon_with_the_number_of_the_step() -> None:
    assert other_than_operators(rule(with_correction), {"beta": 0.9}) == ""


def test_settings_are_plain_numbers() -> None:
    def step(w: Any, g: Any, *, lr: float) -> Any:
        return w - math.sqrt(lr) * g if lr else w

    assert other_than_operators(rule(step), {"lr": 0.1}) == ""


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda w, g: w - g.sign(), "it uses .sign of a tensor"),
        (lambda w, g, t: w - g / math.sqrt(t), "it makes a number of a tensor"),
        (lambda w, g, t: w - g if t > 3 else w, "it asks whether a tensor is true"),
        (lambda w, g: w - torch.sqrt(g), "sqrt(): argument 'input' (position 1) must be Tensor"),
        (lambda w, g, m: w - g, "returns 1 value; its signature asks for 2: w, m"),
    ],
)
def test_what_else_a_rule_does_is_told(function: Any, why: str) -> None:
    assert why in other_than_operators(rule(function), {})
