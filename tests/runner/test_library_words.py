"""What a library says when it fails is told with the component, its settings, and its place in the spec."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
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


def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **sections: str) -> str:
    """Return why all runs of the spec failed."""
    monkeypatch.chdir(tmp_path)
    text = SPEC.replace("MODEL", sections.get("model", SOFTMAX)).replace("LOSS", sections.get("loss", CROSS_ENTROPY))
    Path("s.toml").write_text(text.replace("OPTIMIZER", sections.get("optimizer", SGD)), encoding="utf-8")
    found = CliRunner().invoke(main, ["s.toml", "-q"])
    assert found.exit_code == 1, found.output
    return found.stderr


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ('name = "Linear", in_features = 32, out_features = 10', "on [2, 64], for which in_features = 64 would be"),
        ('name = "Linear", in_features = -1, out_features = 10', "Linear(in_features = -1, out_features = 10) cannot"),
        ('name = "Dropout", p = 1.5', "Dropout(p = 1.5) cannot be made: ValueError: dropout probability"),
        ('name = "GroupNorm", num_groups = 3, num_channels = 64', "cannot be made: ValueError: num_channels (64)"),
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
        (
            'name = "CrossEntropyLoss", label_smoothing = 1.5',
            "(label_smoothing = 1.5) fails on outputs [16",
        ),
        (
            'name = "CrossEntropyLoss", weight = [1.0, 2.0]',
            "weight has 2 values: ValueError: it takes one for each",
        ),
        ('name = "MultiMarginLoss", p = 3', "MultiMarginLoss(p = 3) cannot be made: ValueError: only p == 1"),
        ('name = "SmoothL1Loss", beta = -1.0', "SmoothL1Loss(beta = -1) fails on outputs [16, 1] and targets [16, 1]"),
    ],
)
def test_losses(loss: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = '{ layers = [{ name = "Linear", out_features = 1 }] }' if "L1" in loss else SOFTMAX
    found = words(tmp_path, monkeypatch, loss=f"{{ {loss} }}", model=model)
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
        ('name = "LBFGS", line_search_fn = "wolfe"', 'LBFGS(line_search_fn = "wolfe") fails in a step: RuntimeError'),
    ],
)
def test_optimizers(optimizer: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = words(tmp_path, monkeypatch, optimizer=f"{{ {optimizer} }}")
    assert "failed: s.toml:5:22: optimizer: " in found
    assert told in found


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
