"""`xprun check --build` finds what needs the shapes of the data, at the place of the layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data, loss, model
from xprun.runner.cli.main import main
from xprun.runner.workload import build_check

SPEC = """
data = { name = "digits", flat = false, valid = 0.2 }
model = MODEL
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = { grid = [0.1, 0.2] } }
run = { epochs = 1 }
"""
Check = Callable[..., str]


@pytest.fixture
def check(write: Callable[[str], Path]) -> Check:
    def checked(text: str, *options: str, code: int = 2) -> str:
        result = CliRunner().invoke(main, ["check", *options, str(write(text))])
        assert result.exit_code == code, result.output
        return result.stderr

    return checked


def layers(*written: str) -> str:
    return SPEC.replace("MODEL", f"{{ layers = [{', '.join(written)}] }}")


FLATTEN, LAST = '{ name = "Flatten" }', '{ name = "Linear", out_features = 10 }'
WIDE = '{ name = "Linear", out_features = 100_000 }'
MISTAKES = [
    (layers(FLATTEN, '{ name = "Linear", in_features = 60, out_features = 10 }'), "3:43: model.layers[1]: Linear("),
    (
        layers('{ name = "Conv2d", in_channels = 3, out_channels = 4, kernel_size = 3 }', FLATTEN, LAST),
        "model.layers[0]",
    ),
    (layers('{ name = "Conv2d", out_channels = 4, kernel_size = 9 }', FLATTEN, LAST), "model.layers[0]: Conv2d(1, 4"),
    (layers(FLATTEN, '{ name = "Linear", out_features = 5 }'), "model: it has 5 outputs: ValueError: the targets are"),
    (
        SPEC.replace("MODEL", '{ name = "mlp", freeze = ["conv*"] }'),
        "3:34: model.freeze: 'conv*': ValueError: freeze matches no parameter of the model",
    ),
    (
        SPEC.replace("MODEL", '{ name = "mlp", init = { "conv.w" = { name = "zeros_" } } }'),
        "3:32: model.init: 'conv.w': ValueError: init matches no parameter",
    ),
    (layers(FLATTEN, LAST).replace('Loss"', 'Loss", weight = [1, 2]'), "4:8: loss: weight has 2 values"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
@pytest.mark.parametrize("small", [True, False])
def test_what_does_not_fit_is_told_at_its_place(
    text: str, told: str, small: bool, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_check, "SMALL", 10**9 if small else -1)
    assert check(text, code=0) == ""
    message = check(text, "--build")
    assert told in message
    assert message.count("spec.toml:") == 1  # once, whatever the number of runs


def test_a_program_reads_the_same(write: Callable[[str], Path]) -> None:
    path = write(MISTAKES[0][0])
    done = CliRunner().invoke(main, ["check", "--build", "--json", str(path)])
    [found] = json.loads(done.stdout)
    assert (done.exit_code, found["runs"], len(found["errors"])) == (2, None, 1)


@pytest.mark.parametrize(
    "text",
    [
        layers(FLATTEN, LAST),
        layers(FLATTEN, WIDE, WIDE.replace("100_000", "200_000"), LAST),  # 80 GB, of which none is taken
        SPEC.replace("MODEL", '{ name = "mlp", freeze = ["1.*"], init = { bias = { name = "zeros_" } } }'),
    ],
)
def test_what_fits_is_ok_however_large_it_is(text: str, check: Check) -> None:
    assert check(text, "--build", code=0) == ""


def test_each_combination_is_built_and_each_mistake_told(check: Check) -> None:
    text = layers(FLATTEN, '{ name = "Linear", in_features = { grid = [64, 60, 63] }, out_features = 10 }')
    message = check(text, "--build")
    assert message.count("fails on [2, 64], for which in_features = 64 would be right") == 2


def test_images_whose_files_are_absent_have_the_shape_that_their_name_tells(check: Check) -> None:
    conv = '{ name = "Conv2d", in_channels = 3, out_channels = 4, kernel_size = 3 }'
    text = layers(conv, FLATTEN, LAST).replace('"digits", flat = false', '"FashionMNIST", root = "absent"')
    assert "model.layers[0]: Conv2d(3, 4" in check(text, "--build")
    assert check(text.replace("in_channels = 3, ", ""), "--build", code=0) == ""
    unknown = text.replace("FashionMNIST", "Country211")
    assert "the model is not built for Country211: " in check(unknown, "--build", code=0)


def test_components_of_the_user_are_built_as_runs_build_them(check: Check) -> None:
    @data("broken")
    def broken() -> Table:
        raise RuntimeError("no such sensor")

    @model("needs_numbers")
    def needs_numbers(x: Tensor, y: Tensor) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64 if float(x.sum()) else 3, 10))

    @loss("wants_three")
    def wants_three(prediction: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(prediction.view(-1, 3), target)

    good = SPEC.replace("MODEL", '{ name = "needs_numbers" }')
    assert check(good, "--build", code=0) == ""
    bad = good.replace('"digits", flat = false', '"broken"')
    assert "spec.toml:2:17: data.name: RuntimeError: no such sensor" in check(bad, "--build")
    assert "RuntimeError: shape '[-1, 3]' is invalid" in check(
        good.replace("CrossEntropyLoss", "wants_three"), "--build"
    )
