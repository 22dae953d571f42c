"""What a library says when it fails is told with the component, its settings, and its place in the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch.optim import lbfgs
from xprun.runner.cli.main import main

SPEC = """
data = { name = "digits", batch_size = 16 }
model = MODEL
loss = LOSS
optimizer = OPTIMIZER
run = { steps = 3 }
"""
SOFTMAX, CROSS_ENTROPY, SGD = '{ name = "softmax" }', '{ name = "CrossEntropyLoss" }', '{ name = "SGD", lr = 0.1 }'


FLAT = "fails on [2, 64], which are flat: a layer Unflatten before it, or data.flat = false, makes images of them"


def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str, **sections: str) -> str:
    """Return why all runs of the spec failed."""
    monkeypatch.chdir(tmp_path)
    text = SPEC.replace("MODEL", sections.get("model", SOFTMAX)).replace("LOSS", sections.get("loss", CROSS_ENTROPY))
    Path("s.toml").write_text(text.replace("OPTIMIZER", sections.get("optimizer", SGD)), encoding="utf-8")
    found = CliRunner().invoke(main, ["s.toml", "-q", *options])
    assert found.exit_code == 1, found.output
    return found.stderr


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ('name = "Linear", in_features = 32, out_features = 10', "on [2, 64], for which in_features = 64 would be"),
        ('name = "CELU", alpha = 0', "CELU(alpha=0.0) fails on [2, 64]: RuntimeError: "),
        ('name = "Unflatten", dim = 1, unflattened_size = [3, 5]', "fails on [2, 64]: RuntimeError: unflatten: "),
        (
            'name = "PixelShuffle", upscale_factor = 3',
            "PixelShuffle(upscale_factor=3) fails on [2, 64]: RuntimeError: ",
        ),
        ('name = "Conv2d", in_channels = 1, out_channels = 4, kernel_size = 3', f"stride=(1, 1)) {FLAT}"),
        (
            'name = "Conv2d", out_channels = 4, kernel_size = 3',
            f"Conv2d(4, kernel_size=(3, 3), stride=(1, 1)) {FLAT}",
        ),
        ('name = "BatchNorm2d"', f"track_running_stats=True) {FLAT}"),
        ('name = "Softmax", dim = 5', "Softmax(dim=5) fails on [2, 64]: IndexError: Dimension out of range"),
    ],
)
def test_layers(layer: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = f'{{ layers = [{{ name = "Identity" }}, {{ {layer} }}, {{ name = "Linear", out_features = 10 }}] }}'
    found = words(tmp_path, monkeypatch, model=model)
    assert "failed: s.toml:3:53: model.layers[1]: " in found
    assert told in found


def test_a_layer_that_fails_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = '[{ name = "Identity" }, { name = "Linear", in_features = 8, out_features = 10 }]'
    found = words(tmp_path, monkeypatch, model=f"{{ layers = {layers} }}")
    assert "model.layers[1]: Linear(in_features=8, out_features=10, bias=True) fails on [16, 64], for which" in found


def test_a_layer_inside_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = (
        '{ name = "Sequential", layers = [{ name = "ReLU" }, { name = "Linear", in_features = 5, out_features = 10 }] }'
    )
    found = words(tmp_path, monkeypatch, model=f"{{ layers = [{inner}] }}")
    assert "model.layers[0].layers[1]: Linear(in_features=5" in found


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        ('name = "MultiLabelMarginLoss"', "MultiLabelMarginLoss fails on outputs [16"),
        (
            'name = "CrossEntropyLoss", weight = [1.0, 2.0]',
            "weight has 2 values: ValueError: it takes one for each",
        ),
        ('name = "KLDivLoss"', "KLDivLoss fails on outputs [16"),
    ],
)
def test_losses(loss: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = words(tmp_path, monkeypatch, loss=f"{{ {loss} }}")
    assert "failed: s.toml:4:17: loss: " in found
    assert told in found


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (
            'name = "Adafactor", beta2_decay = 0.5',
            "Adafactor(beta2_decay = 0.5) cannot be made: ValueError: beta2",
        ),
        ('name = "Adafactor", d = 0.5', "Adafactor(d = 0.5) cannot be made: ValueError: Clipping threshold d"),
    ],
)
def test_optimizers(optimizer: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = words(tmp_path, monkeypatch, optimizer=f"{{ {optimizer} }}")
    assert "failed: s.toml:5:22: optimizer: " in found
    assert told in found


def test_an_optimizer_that_fails_in_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Any, closure: Any) -> None:
        lbfgs._cubic_interpolate(None, 1.0, 1.0, 2.0, 1.0, 1.0)

    monkeypatch.setattr(torch.optim.LBFGS, "step", step)
    optimizer = '{ name = "LBFGS", history_size = 3 }'
    found = words(tmp_path, monkeypatch, "-j", "0", optimizer=optimizer)
    assert "failed: s.toml:5:22: optimizer: LBFGS(history_size = 3) fails in a step: TypeError" in found


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ('{ name = "Linear", out_features = 5 }', "it has 5 outputs: ValueError: the targets are classes from 0 to 9"),
        ('{ name = "Identity" }', "ValueError: it has no parameter to train"),
        ('{ name = "Linear", out_features = 1 }', "it has 1 output: ValueError: the targets are classes from 0 to 9"),
    ],
)
def test_models_that_do_not_fit_the_targets(
    layers: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told in words(tmp_path, monkeypatch, model=f"{{ layers = [{layers}] }}")
