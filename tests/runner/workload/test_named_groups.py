"""Groups that name no parameter of a model are found before anything is trained, where they stand in the spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from xprun.plugins import optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload.checks_with_torch import check_with_torch
from xprun.specs import SpecError, read_document, read_spec

SPEC = """data = { name = "digits" }
loss = { name = "CrossEntropyLoss" }
run = { steps = 2 }

[[model]]
name = "softmax"
[[model]]
name = "mlp"
hidden = [4]

[optimizer]
name = "SGD"
groups = { "bias" = { weight_decay = 0.0 }, GROUP }
"""


@pytest.fixture
def complaint(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    monkeypatch.chdir(tmp_path)

    def complain(text: str) -> str:
        write(text)
        try:
            check_with_torch(resolve(read_spec(read_document(Path("spec.toml"))), REGISTRY), REGISTRY)
        except SpecError as error:
            return error.render()
        return ""

    return complain


def test_a_pattern_that_fits_nothing_is_told_with_what_there_is(complaint: Callable[[str], str]) -> None:
    assert complaint(SPEC.replace("GROUP", '"head.*" = { lr = 0.1 }')) == (
        'spec.toml:13:45: optimizer.groups."head.*": matches no trained parameter of softmax\n'
        '   13 | groups = { "bias" = { weight_decay = 0.0 }, "head.*" = { lr = 0.1 } }\n'
        "      |                                             ^^^^^^^^\n"
        "      it has 1.weight, 1.bias"
    )


def test_a_pattern_must_fit_each_of_several_models(complaint: Callable[[str], str]) -> None:
    found = complaint(SPEC.replace("GROUP", '"3.*" = { lr = 0.1 }'))
    assert 'optimizer.groups."3.*": matches no trained parameter of softmax' in found


def test_patterns_that_fit_are_no_problem(complaint: Callable[[str], str]) -> None:
    assert complaint(SPEC.replace("GROUP", '"1.*" = { lr = { grid = [0.1, 0.2] } }')) == ""


def test_a_frozen_parameter_is_in_no_group(complaint: Callable[[str], str]) -> None:
    text = SPEC.replace("hidden = [4]", 'hidden = [4]\nfreeze = ["1.*"]').replace("GROUP", '"1.*" = { lr = 0.1 }')
    assert "matches no trained parameter of mlp" in complaint(text)


def test_what_the_model_raises_is_left_to_the_runs(complaint: Callable[[str], str]) -> None:
    text = SPEC.replace('"softmax"', '"lenet"').replace("GROUP", '"5.*" = { lr = 0.1 }')
    assert "matches no trained parameter of mlp" not in complaint(text.replace('"5.*"', '"3.*"'))


def test_a_class_that_makes_its_groups_itself_is_told_without_torch(complaint: Callable[[str], str]) -> None:
    class OfModel(torch.optim.SGD):
        def __init__(self, model: Any, lr: float = 0.1) -> None:
            super().__init__(model.parameters(), lr=lr)

    optimizer("of_model")(OfModel)
    text = SPEC.replace('"SGD"', '"of_model"').replace("GROUP", '"1.*" = { lr = 0.2 }').replace("weight_decay", "lr")
    assert complaint(text).splitlines()[0] == (
        "spec.toml:13:1: optimizer.groups: of_model takes model, and makes the groups of its parameters itself"
    )
