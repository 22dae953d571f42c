"""Bounds of torch's settings, and contradictions between them, are told by `check`; what torch takes is right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from pydantic import ValidationError
from xprun.plugins.registry import REGISTRY
from xprun.plugins.torch_api.argument_checks import CHECKS
from xprun.runner.cli.main import main

SPEC = """
data = { name = "digits", flat = false }
model = { layers = [LAYER, { name = "Flatten" }, { name = "Linear", out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = 0.1 }
run = { epochs = 1 }
"""
Check = Callable[[str], tuple[int, str]]


@pytest.fixture
def check(write: Callable[[str], Path]) -> Check:
    def checked(text: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["check", str(write(text))])
        return result.exit_code, result.stderr

    return checked


CONV = '{ name = "Conv2d", in_channels = 4, out_channels = 8, kernel_size = 3'


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (f"{CONV}, stride = 0 }}", "stride: must be greater than 0"),
        (f"{CONV}, dilation = [1, -1] }}", "dilation[1]: must be greater than 0, not -1"),
        (f"{CONV}, padding = -1 }}", "padding: must be 'valid' or 'same' or greater than or equal to 0"),
        (f'{CONV}, padding = "smae" }}', "padding: must be 'valid' or 'same'"),
        (f'{CONV}, padding = "same", stride = 2 }}', 'padding: "same" is for a stride of 1'),
        (f"{CONV}, groups = 3 }}", "groups: must divide in_channels, but 4 is no multiple of 3"),
        (f"{CONV.replace('= 8', '= 6')}, groups = 4 }}", "groups: must divide out_channels, but 6 is no multiple of 4"),
        (f"{CONV}, groups = {{ grid = [2, 3] }} }}", "groups: must divide in_channels, but 4 is no multiple of 3"),
        ('{ name = "Linear", out_features = 0 }', "out_features: must be greater than 0, not 0"),
        ('{ name = "Dropout", p = 2 }', "p: must be less than or equal to 1, not 2"),
        ('{ name = "Dropout2d", p = -0.1 }', "p: must be greater than or equal to 0, not -0.1"),
        ('{ name = "BatchNorm2d", eps = -1 }', "eps: must be greater than or equal to 0, not -1"),
        ('{ name = "GroupNorm", num_groups = 4, num_channels = 6 }', "num_groups: must divide num_channels"),
        ('{ name = "MaxPool2d", kernel_size = 2, padding = 2 }', "padding: must be at most half of kernel_size"),
        ('{ name = "AvgPool1d", kernel_size = [3], padding = [2] }', "padding: must be at most half of kernel_size"),
        ('{ name = "Hardtanh", min_val = 1, max_val = -1 }', "max_val: must be above min_val, which is 1"),
        ('{ name = "RReLU", lower = 0.5, upper = 0.1 }', "upper: must not be below lower, which is 0.5"),
        ('{ name = "Embedding", num_embeddings = 5, embedding_dim = 2, padding_idx = 5 }', "padding_idx: must be one"),
        ('{ name = "Flatten", start_dim = 3, end_dim = 1 }', "end_dim: must not be before start_dim, which is 3"),
        ('{ name = "Upsample" }', "name: needs size or scale_factor: write one"),
        ('{ name = "Upsample", size = 4, scale_factor = 2 }', "scale_factor: needs size or scale_factor: write one of"),
        ('{ name = "Upsample", size = 4, align_corners = true }', "align_corners: is for linear, bilinear"),
        ('{ name = "GELU", approximate = "tan" }', "approximate: must be 'none' or 'tanh'"),
        (
            '{ name = "ConvTranspose2d", out_channels = 2, kernel_size = 2, output_padding = 1 }',
            "output_padding: must be",
        ),
        ('{ name = "TransformerEncoderLayer", d_model = 8, nhead = 3 }', "nhead: must divide d_model"),
        ('{ name = "LSTM", input_size = 2, hidden_size = 2, proj_size = 2 }', "proj_size: must be below hidden_size"),
        ('{ name = "Sequential", layers = [] }', "layers: must have at least 1 value"),
        ('{ name = "Sequential", layers = [{ name = "Dropout", p = 3 }] }', "layers[0].layers[0].p: must be less than"),
    ],
)
def test_a_mistake_in_a_layer_is_told_at_its_place(layer: str, told: str, check: Check) -> None:
    code, message = check(SPEC.replace("LAYER", layer))
    assert code == 2
    assert told in message
    assert "spec.toml:3:" in message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{ layers = [LAYER, { name", "{ layers = [] } #", "model.layers: must have at least 1 value, not []"),
        ("{ layers = [LAYER, { name", '{ name = "mlp", freeze = ["*"] } #', "model.freeze: leaves no parameter"),
        (
            "{ layers = [LAYER, { name",
            '{ name = "mlp", freeze = ["bias", "**"] } #',
            "model.freeze: leaves no parameter",
        ),
        (
            "{ layers = [LAYER, { name",
            '{ name = "mlp", init = { w = { name = "uniform_", a = 1, b = 0 } } } #',
            "model.init.w.b: must not be below a, which is 1",
        ),
        (
            "{ layers = [LAYER, { name",
            '{ name = "mlp", init = { w = { name = "kaiming_normal_", mode = "fan" } } } #',
            "model.init.w.mode: must be 'fan_in' or 'fan_out'",
        ),
        ('Loss"', 'Loss", label_smoothing = 2', "loss.label_smoothing: must be less than or equal to 1"),
        ('"CrossEntropyLoss"', '"MultiMarginLoss", p = 3', "loss.p: must be 1 or 2, not 3"),
        ('"CrossEntropyLoss"', '"HuberLoss", delta = 0', "loss.delta: must be greater than 0, not 0"),
        ('"SGD", lr = 0.1', '"LBFGS", history_size = 0', "optimizer.history_size: must be greater than 0"),
        ('"SGD", lr = 0.1', '"LBFGS", line_search_fn = "wolfe"', "line_search_fn: must be 'strong_wolfe'"),
        ('"SGD", lr = 0.1', '"Muon", lr = -1', "optimizer.lr: must be greater than or equal to 0"),
        (
            '"digits", flat = false',
            '"FakeData", transforms = [{ name = "GaussianBlur", kernel_size = 4 }]',
            "must be odd",
        ),
        (
            '"digits", flat = false',
            '"FakeData", transforms = [{ name = "RandomInvert", p = 2 }]',
            "less than or equal to 1",
        ),
    ],
)
def test_a_mistake_elsewhere_is_told_at_its_place(old: str, new: str, told: str, check: Check) -> None:
    plain = SPEC.replace("LAYER", '{ name = "ReLU" }')
    old = old.replace("LAYER", '{ name = "ReLU" }')
    assert old in plain
    code, message = check(plain.replace(old, new))
    assert code == 2
    assert told in message


def test_combinations_that_do_not_occur_are_no_mistakes(check: Check) -> None:
    moved = CONV.replace("= 4", '= { grid = [4, 6], with = "a" }') + ', groups = { grid = [2, 3], with = "a" } }'
    code, message = check(SPEC.replace("LAYER", moved.replace("out_channels = 8", "out_channels = 12")))
    assert (code, message) == (0, "")
    left_out = f"{CONV}, groups = {{ grid = [2, 3] }} }}"
    excluded = '\n[[exclude]]\n"model.layers[0].groups" = 3\n'
    assert check(SPEC.replace("LAYER", left_out) + excluded)[0] == 0


@pytest.mark.parametrize("kind", ["layer", "loss", "init", "transform", "optimizer"])
def test_every_default_fits_its_own_bounds(kind: str) -> None:
    wrong = []
    for component in REGISTRY.components(kind):
        for setting in component.settings.values():
            try:
                if not setting.required and setting.default is not None:
                    setting.read(setting.default)
            except ValidationError:
                wrong.append((component.name, setting.name))
    assert wrong == []


GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("layer", "Conv2d"): {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "groups": 4, "padding": "same"},
    ("layer", "ConvTranspose2d"): {
        "in_channels": 2, "out_channels": 2, "kernel_size": 2, "stride": 2, "output_padding": 1,
    },
    ("layer", "MaxPool2d"): {"kernel_size": [3, 2], "padding": [1, 1]},
    ("layer", "GroupNorm"): {"num_groups": 1, "num_channels": 1},
    ("layer", "Embedding"): {"num_embeddings": 3, "embedding_dim": 1, "padding_idx": -3},
    ("layer", "Hardtanh"): {"min_val": -2.0, "max_val": -1.0},
    ("layer", "RReLU"): {"lower": 0.1, "upper": 0.1},
    ("layer", "Upsample"): {"size": 4, "mode": "bilinear", "align_corners": False},
    ("layer", "FractionalMaxPool2d"): {"kernel_size": 2, "output_ratio": 0.5},
    ("layer", "Dropout"): {"p": 1.0},
    ("layer", "LayerNorm"): {"normalized_shape": [2, 3], "eps": 0.0},
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), GOOD)
def test_what_torch_takes_at_the_edge_is_right(kind: str, name: str) -> None:
    component, given = REGISTRY.find(kind, name), GOOD[kind, name]
    typed = {key: component.settings[key].read(value) for key, value in given.items()}
    settings = {key: setting.default for key, setting in component.settings.items()} | typed
    assert list(CHECKS[kind, name](**settings) if (kind, name) in CHECKS else ()) == []
    getattr(torch.nn, name)(**typed)


def test_every_check_is_of_a_class_that_there_is() -> None:
    for (kind, name), check in CHECKS.items():
        component = REGISTRY.find(kind, name)
        asked = {p.name for p in inspect.signature(check).parameters.values() if p.kind is p.KEYWORD_ONLY}
        assert asked <= component.settings.keys()
