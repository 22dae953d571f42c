"""PyTorch's own components by class name, known without importing torch.

The modules beside this one hold, as plain function signatures, the settings of the installed torch's classes;
`generate.py` writes them, and a test compares them with the installed torch.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from importlib.metadata import version
from typing import Any

from xprun.plugins.optimizers.twins import TWINS
from xprun.plugins.registry import Component, Origin, Registry, fingerprint_of_file

# kind: (generated module, where the real class or function lives)
SOURCES = {
    "optimizer": ("optimizers", "torch.optim"),
    "layer": ("layers", "torch.nn"),
    "loss": ("losses", "torch.nn"),
    "init": ("inits", "torch.nn.init"),
}


def register(registry: Registry) -> None:
    """Add every class that the generated modules name; torch is imported when one of them is loaded."""
    for kind, (module, home) in SOURCES.items():
        signatures = importlib.import_module(f"{__name__}.{module}")
        for name, function in vars(signatures).items():
            if inspect.isfunction(function):
                twin = TWINS.get(name) if kind == "optimizer" else None
                registry.add(_twin(name, home, twin) if twin else _component(kind, name, home, function))


def _component(kind: str, name: str, home: str, function: Any) -> Component:
    """Return a class of torch as a component that imports it when it is loaded."""
    origin = Origin(home, home, "torch", 0)
    load = lambda: getattr(importlib.import_module(home), name)  # noqa: E731
    return Component(kind, name, origin, function, load, _torch_version())


def _twin(name: str, home: str, twin: Any) -> Component:
    """Return a class of torch.optim as the rule that computes the same, so that runs can be stacked."""
    code = twin.__code__
    origin = Origin(home, twin.__module__, code.co_filename, code.co_firstlineno)
    return Component("optimizer", name, origin, twin, lambda: twin, fingerprint_of_file(origin.file))


@cache
def _torch_version() -> str:
    return "torch " + version("torch").partition("+")[0]
