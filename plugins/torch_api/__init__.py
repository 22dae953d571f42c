"""PyTorch's own components by class name, known without importing torch.

The modules in `generated/` hold, as plain function signatures, the settings of the classes of one release of torch and
torchvision; `generate.py` writes them, and a test compares them with what is installed. Where another release is
installed, `installed_names.py` has its own.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache, partial
from typing import Any

from xprun.plugins.optimizers.torch_optim import FUNCTIONAL_OPTIMIZERS
from xprun.plugins.optimizers.torch_pairs import PAIRED_OPTIMIZERS
from xprun.plugins.python_packages import release_of
from xprun.plugins.registry import Component, Origin, Registry, fingerprint_of_file
from xprun.plugins.schedulers.torch_schedulers import FUNCTIONAL_SCHEDULERS, UNSUPPORTED_SCHEDULERS
from xprun.plugins.torch_api.argument_checks import CHECKS
from xprun.plugins.torch_api.image_classifiers import classifier
from xprun.plugins.torch_api.installed_names import names_here
from xprun.plugins.torch_api.lazy_layers import layer_maker
from xprun.plugins.torch_api.left_out import LEFT_OUT

# kind: (generated module, where the real class or function lives)
SOURCES = {
    "optimizer": ("optim_classes", "torch.optim"),
    "layer": ("nn_layers", "torch.nn"),
    "loss": ("nn_losses", "torch.nn"),
    "init": ("nn_init", "torch.nn.init"),
    "data": ("vision_datasets", "torchvision.datasets"),
    "transform": ("vision_transforms", "torchvision.transforms.v2"),
    "model": ("vision_models", "torchvision.models"),
}


@cache
def register(registry: Registry) -> None:
    """Add every class that the generated modules name, once; torch is imported when one of them is loaded."""
    names = names_here()
    for complaint in names.complaints:
        if complaint not in registry.complaints:
            registry.complaints.append(complaint)
    for kind, (module, home) in SOURCES.items():
        for name, function in vars(names.modules[module]).items():
            if inspect.isfunction(function) and name not in PAIRED_OPTIMIZERS:
                functional = FUNCTIONAL_OPTIMIZERS.get(name) if kind == "optimizer" else None
                registry.add(
                    _functional_component(kind, name, home, functional)
                    if functional
                    else _component(kind, name, home, function)
                )
    for name, pair in PAIRED_OPTIMIZERS.items():
        registry.add(_paired_component(name, pair))
    for kind, left_out in LEFT_OUT.items():
        registry.declined |= {(kind, name): why for name, why in left_out.items()}
    for name, takes in names.modules["nn_losses"].OTHERS.items():
        registry.declined["loss", name] = f"it needs more than a prediction and a target: {takes}"
    for name, functional in FUNCTIONAL_SCHEDULERS.items():
        registry.add(_functional_component("scheduler", name, "torch.optim.lr_scheduler", functional))
    for name, why in UNSUPPORTED_SCHEDULERS.items():
        registry.declined["scheduler", name] = why


def _component(kind: str, name: str, home: str, function: Any) -> Component:
    """Return a class of torch as a component that imports it when it is loaded."""
    package = home.partition(".")[0]
    load = partial(LOADERS.get(kind, _load), name, home)
    check = CHECKS.get((kind, name))
    return Component(kind, name, Origin(home, home, package, 0), function, load, _version(package), check=check)


def _load(name: str, home: str) -> Any:
    return getattr(importlib.import_module(home), name)


def _load_images(name: str, home: str) -> Any:
    from xprun.plugins.datasets.images import image_set

    return partial(image_set, name)


def _load_transform(name: str, home: str) -> Any:
    from xprun.plugins.torchvision_import import import_torchvision

    import_torchvision()
    return _load(name, home)


def _load_layer(name: str, home: str) -> Any:
    return layer_maker(name)


def _load_classifier(name: str, home: str) -> Any:
    return partial(classifier, name)


LOADERS = {
    "layer": _load_layer,
    "data": _load_images,
    "transform": _load_transform,
    "model": _load_classifier,
}


def _functional_component(kind: str, name: str, home: str, functional: Any) -> Component:
    """Return a class of torch as the function that computes the same: a rule that stacks, a schedule in closed form."""
    code = functional.__code__
    origin = Origin(home, functional.__module__, code.co_filename, code.co_firstlineno)
    return Component(kind, name, origin, functional, lambda: functional, _fingerprint(origin.file))


def _paired_component(name: str, pair: Any) -> Component:
    """Return a class of torch that trains some kinds of parameters only, with its partner for the others."""
    code = pair.__code__
    origin = Origin("torch.optim", pair.__module__, code.co_filename, code.co_firstlineno)
    return Component("optimizer", name, origin, pair, lambda: pair, _version("torch"))


_fingerprint = cache(fingerprint_of_file)  # of xprun's own files, which hold many components each


@cache
def _version(package: str) -> str:
    return f"{package} {release_of(package)}"
