"""A name that is absent on purpose is told with the reason and what to write instead, not as a typo."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from xprun.plugins.registry import REGISTRY, UnknownComponentError
from xprun.plugins.torch_api.left_out import LEFT_OUT
from xprun.plugins.torchvision_import import import_torchvision

NEVER_MEANT = {  # classes in these modules that nobody looks for in a spec
    "AutoAugmentPolicy", "InterpolationMode", "LinearCrossEntropyOptions", "UninitializedBuffer",
    "UninitializedParameter", "NLLLoss2d",
}  # fmt: skip


def classes_of(kind: str) -> list[str]:
    """Return the public classes of the module that a kind comes from."""
    torchvision = import_torchvision()
    from torch import nn, optim
    from torchvision.transforms import v2

    found: dict[str, Any] = {
        "transform": v2,
        "layer": nn,
        "optimizer": optim,
        "scheduler": optim.lr_scheduler,
        "data": torchvision.datasets,
    }
    return [
        name
        for name, thing in vars(found[kind]).items()
        if inspect.isclass(thing) and name[0].isupper() and not name.endswith("Loss")
        if thing.__module__.startswith(("torch.optim.", "torch.nn.", "torchvision."))
    ]


@pytest.mark.parametrize("kind", ["transform", "layer", "optimizer", "scheduler", "data"])
def test_every_class_is_there_or_says_why_not(kind: str) -> None:
    silent = [
        name
        for name in classes_of(kind)
        if name not in REGISTRY.names(kind) and (kind, name) not in REGISTRY.declined and name not in NEVER_MEANT
    ]
    assert [name for name in silent if kind != "scheduler" or name != "Optimizer"] == []


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("transform", "ToTensor", "images are tensors of floats from 0 to 1 already: leave it out"),
        ("transform", "ConvertImageDtype", "leave it out"),
        ("transform", "Compose", "data.transforms is a list of transforms in turn already"),
        ("layer", "ModuleList", "list them in model.layers"),
        ("layer", "LSTMCell", "write LSTM"),
        ("layer", "LazyConv2d", "leave its size of inputs out of Conv2d"),
        ("scheduler", "ReduceLROnPlateau", "it depends on the results of a run"),
        ("scheduler", "LambdaLR", "write it as a plugin with @scheduler"),
        ("loss", "TripletMarginLoss", "it needs more than a prediction and a target"),
        ("data", "CocoDetection", "write a data set of your own"),
        ("data", "DataLoader", "write data.batch_size"),
        ("init", "xavier_uniform", "write xavier_uniform_"),
        ("metric", "loss", "the loss is always measured"),
    ],
)
def test_what_to_write_instead(kind: str, name: str, why: str) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        REGISTRY.find(kind, name)
    assert why in caught.value.why


def test_no_name_that_is_there_is_said_to_be_left_out() -> None:
    assert [(kind, name) for kind, names in LEFT_OUT.items() for name in names if name in REGISTRY.names(kind)] == []
