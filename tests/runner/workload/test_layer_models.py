"""Every torch.nn layer trains by its name, and an input size that is left out changes no number."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from support.training import MakePlan, Train
from torch import nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import REGISTRY, data
from xprun.plugins.torch_api.generated import nn_layers as torch_layers
from xprun.runner.workload.workload import Workload, make_workload

CPU = torch.device("cpu")

# The settings that a layer cannot do without.
SETTINGS: dict[str, dict[str, Any]] = {
    "ChannelShuffle": {"groups": 2},
    "ConstantPad": {"padding": 1, "value": 0.5},
    "Conv": {"out_channels": 3, "kernel_size": 2},
    "CrossMapLRN2d": {"size": 2},
    "Embedding": {"num_embeddings": 5, "embedding_dim": 3},
    "Fold": {"output_size": [4, 4], "kernel_size": [2, 2]},
    "FractionalMaxPool": {"kernel_size": 2, "output_size": 3},
    "GroupNorm": {"num_groups": 2, "num_channels": 4},
    "InstanceNorm": {"num_features": 4},
    "LPPool": {"norm_type": 2.0, "kernel_size": 2},
    "LayerNorm": {"normalized_shape": 8},
    "Linear": {"out_features": 3},
    "LocalResponseNorm": {"size": 2},
    "LogSoftmax": {"dim": 1},
    "PixelShuffle": {"upscale_factor": 2},
    "PixelUnshuffle": {"downscale_factor": 2},
    "RMSNorm": {"normalized_shape": [8]},
    "Softmax": {"dim": 1},
    "Softmin": {"dim": 1},
    "Softmax2d": {},
    "Threshold": {"threshold": 0.1, "value": 0.0},
    "Unflatten": {"dim": 1, "unflattened_size": [2, 4]},
    "Unfold": {"kernel_size": 2},
    "Upsample": {"scale_factor": 2.0},
    "UpsamplingNearest2d": {"scale_factor": 2.0},
    "Adaptive": {"output_size": 2},
    "AvgPool": {"kernel_size": 2},
    "MaxPool": {"kernel_size": 2},
    "Pad": {"padding": 1},
}
IMAGES_2D = {"ChannelShuffle", "GroupNorm", "LocalResponseNorm", "PixelShuffle", "PixelUnshuffle", "Unfold", "Upsample"}
SHAPES = {"1d": [4, 8], "2d": [4, 8, 8], "3d": [4, 6, 6, 6]}


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None) -> Iterator[None]:
    @data("points")
    def points(*, shape: list[int], classes: int = 3, tokens: int = 0) -> Table:
        generator = torch.Generator().manual_seed(1)
        if tokens:
            return Table(torch.randint(tokens, (12, *shape), generator=generator), torch.arange(12) % classes)
        return Table(torch.randn(12, *shape, generator=generator), torch.arange(12) % classes)

    yield


def spec(shape: list[int], *layers: dict[str, Any], tokens: int = 0, **more: Any) -> str:
    sections = {
        "data": {"name": "points", "shape": shape, "tokens": tokens, "batch_size": 6},
        "model": {"layers": list(layers)} | more,
        "loss": {"name": "CrossEntropyLoss"},
        "optimizer": {"name": "SGD", "lr": 0.1},
        "run": {"steps": 2},
    }
    return "\n".join(f"{key} = {toml(value)}" for key, value in sections.items())


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def settings_of(name: str) -> dict[str, Any]:
    exact = SETTINGS.get(name)
    matching = (found for part, found in SETTINGS.items() if part in name)
    return {"name": name} | (exact if exact is not None else next(matching, {}))


def shape_of(name: str) -> list[int]:
    if name == "Fold":
        return [16, 9]
    return (
        SHAPES.get(name[-2:]) or SHAPES["2d" if name in IMAGES_2D else "1d"]
        if name not in ("Unflatten", "EmbeddingBag")
        else [8]
    )


@pytest.mark.parametrize("name", [name for name, f in vars(torch_layers).items() if inspect.isfunction(f)])
def test_a_layer_trains_by_its_name(name: str, train: Train) -> None:
    tokens = 5 if "Embedding" in name else 0
    [outcome] = train(spec(shape_of(name), settings_of(name), {"name": "Flatten"}, linear(3), tokens=tokens))
    assert outcome.status == "done"
    first, second = outcome.history["loss"].values
    assert first != second


def linear(outputs: int, **more: Any) -> dict[str, Any]:
    return {"name": "Linear", "out_features": outputs} | more


# Layers with the sizes left out, and the sizes that they have.
SIZES: dict[str, tuple[list[int], list[dict[str, Any]], list[dict[str, int]]]] = {
    "mlp": ([8], [linear(5), {"name": "Tanh"}, linear(3)], [{"in_features": 8}, {}, {"in_features": 5}]),
    "the second only": ([8], [linear(5, in_features=8), linear(3)], [{}, {"in_features": 5}]),
    "the first only": ([8], [linear(5), linear(3, in_features=5)], [{"in_features": 8}, {}]),
    "cnn": (
        [2, 8, 8],
        [
            {"name": "Dropout", "p": 0.5},
            {"name": "Conv2d", "out_channels": 4, "kernel_size": 3},
            {"name": "BatchNorm2d"},
            {"name": "MaxPool2d", "kernel_size": 2},
            {"name": "Flatten"},
            linear(3),
        ],
        [{}, {"in_channels": 2}, {"num_features": 4}, {}, {}, {"in_features": 36}],
    ),
}


def workload(plan: MakePlan, text: str) -> Workload:
    return make_workload(REGISTRY, plan(text).runs[0], CPU)


@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_is_left_out_changes_no_number(name: str, plan: MakePlan) -> None:
    shape, layers, sizes = SIZES[name]
    written = [layer | size for layer, size in zip(layers, sizes, strict=True)]
    found = workload(plan, spec(shape, *layers)).make_model(3)
    expected = workload(plan, spec(shape, *written)).make_model(3)
    assert found.training
    assert [type(part) for part in found.modules()] == [type(part) for part in expected.modules()]
    assert found.state_dict().keys() == expected.state_dict().keys()
    assert all(
        torch.equal(a, b) for a, b in zip(found.state_dict().values(), expected.state_dict().values(), strict=True)
    )
    assert not any(part._forward_pre_hooks or part._forward_hooks for part in found.modules())


def test_a_model_of_layers_without_sizes_is_a_linear_stack(plan: MakePlan) -> None:
    from xprun.runner.engine.programs.linear_stack import LinearStack

    work = workload(plan, spec([8], linear(5), {"name": "ReLU"}, linear(3)))
    assert isinstance(LinearStack.of(work.make_model(0), work.loss, work.train.targets), LinearStack)
    assert type(work.make_model(0).get_submodule("0")) is nn.Linear
