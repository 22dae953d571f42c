"""A last layer that a loss takes itself, or lacks, is a note: the run trains, but otherwise than was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main

SPEC = """
data = { name = "digits" }
model = MODEL
loss = { name = "LOSS" }
optimizer = { name = "SGD" }
run = { epochs = 1 }
"""
LINEAR = '{ name = "Linear", in_features = 64, out_features = 10 }'


def notes(write: Callable[[str], Path], model: str, loss: str) -> list[str]:
    path = write(SPEC.replace("MODEL", model).replace("LOSS", loss))
    found = CliRunner().invoke(main, ["check", str(path)])
    assert found.exit_code == 0, found.output
    return [line for line in found.output.splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize(
    ("last", "loss", "told"),
    [
        (
            "Softmax",
            "CrossEntropyLoss",
            "Softmax before CrossEntropyLoss, which takes the softmax itself: leave",
        ),
        ("LogSoftmax", "CrossEntropyLoss", "LogSoftmax before CrossEntropyLoss"),
        ("Sigmoid", "CrossEntropyLoss", "Sigmoid before CrossEntropyLoss"),
        ("Sigmoid", "BCEWithLogitsLoss", "Sigmoid before BCEWithLogitsLoss, which takes the sigmoid itself"),
        ("ReLU", "NLLLoss", "NLLLoss takes the logarithms of probabilities, and gets a model that ends with ReLU"),
        ("Softmax", "NLLLoss", "end with LogSoftmax, or use CrossEntropyLoss"),
        ("Tanh", "BCELoss", "end with Sigmoid, or use BCEWithLogitsLoss"),
    ],
)
def test_a_last_layer_that_does_not_go_with_the_loss(
    last: str, loss: str, told: str, write: Callable[[str], Path]
) -> None:
    [line] = notes(write, f'{{ layers = [{LINEAR}, {{ name = "{last}" }}] }}', loss)
    assert "spec.toml:3:" in line
    assert "model.layers[1]: " in line
    assert told in line
    nested = f'{{ layers = [{{ name = "Sequential", layers = [{LINEAR}, {{ name = "{last}" }}] }}] }}'
    assert "model.layers[0].layers[1]: " in notes(write, nested, loss)[0]


@pytest.mark.parametrize(
    ("layers", "loss"),
    [
        (f"[{LINEAR}]", "CrossEntropyLoss"),
        (f"[{LINEAR}]", "BCEWithLogitsLoss"),
        (f'[{LINEAR}, {{ name = "LogSoftmax" }}]', "NLLLoss"),
        (f'[{LINEAR}, {{ name = "Sigmoid" }}]', "BCELoss"),
        (f'[{LINEAR}, {{ name = "Softmax" }}]', "MSELoss"),
    ],
)
def test_what_goes_together_is_not_noted(layers: str, loss: str, write: Callable[[str], Path]) -> None:
    assert notes(write, f"{{ layers = {layers} }}", loss) == []


@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_models_by_name_end_with_scores(model: str, write: Callable[[str], Path]) -> None:
    assert "gets the scores of" in notes(write, f'{{ name = "{model}" }}', "NLLLoss")[0]
    assert notes(write, f'{{ name = "{model}" }}', "CrossEntropyLoss") == []
