"""The names and settings of torch's and torchvision's classes, kept apart, are those of the installed packages."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from xprun.plugins.registry import REGISTRY
from xprun.plugins.torch_api import generated
from xprun.plugins.torch_api.generate import IMPLEMENTATION, generate_torch, generate_torchvision
from xprun.plugins.torch_api.generated import optim_classes as optimizers

SOME = [
    ("optimizer", "Adam", {"lr": 0.001, "betas": (0.9, 0.999), "amsgrad": False}),
    ("layer", "Conv2d", {"stride": 1, "padding_mode": "zeros"}),
    ("loss", "CrossEntropyLoss", {"label_smoothing": 0.0, "reduction": "mean"}),
    ("layer", "Linear", {"in_features": None, "bias": True}),
    ("model", "resnet18", {"weights": None, "num_classes": None}),
    ("init", "normal_", {"mean": 0.0, "std": 1.0}),
    ("data", "OxfordIIITPet", {"root": "data", "download": False, "split": "trainval", "valid": 0.1, "test": "test"}),
    ("data", "Flowers102", {"split": "train", "valid": "val", "test": "test"}),
    ("data", "ImageNet", {"split": "train", "valid": "val", "test": 0.0}),
    ("transform", "RandomCrop", {"padding": None, "padding_mode": "constant"}),
]


@pytest.mark.filterwarnings("ignore")
def test_the_generated_files_are_those_that_the_installed_torch_gives() -> None:
    folder = Path(str(generated.__file__)).parent
    for name, text in {**generate_torch(), **generate_torchvision()}.items():
        assert (folder / f"{name}.py").read_text(encoding="utf-8") == text, f"run the generator: {name}"


@pytest.mark.parametrize(("kind", "name", "defaults"), SOME)
def test_defaults_are_kept(kind: str, name: str, defaults: dict[str, object]) -> None:
    settings = REGISTRY.find(kind, name).settings
    assert {key: settings[key].default for key in defaults} == defaults


@pytest.mark.parametrize("name", [n for n, f in vars(optimizers).items() if inspect.isfunction(f)])
def test_every_optimizer_class_takes_the_settings_that_are_listed(name: str) -> None:
    taken = set(inspect.signature(getattr(torch.optim, name)).parameters) - IMPLEMENTATION
    own = REGISTRY.find("optimizer", name).settings
    partners = {setting for setting in own if setting.startswith(("adamw_", "use_"))} if name == "Muon" else set()
    assert set(own) - partners == taken
