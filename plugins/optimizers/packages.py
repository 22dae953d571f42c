"""The optimizers of packages that know nothing of xprun, by the names under which they are imported.

`pytorch_optimizer.Lion` is the class `Lion` of the package `pytorch_optimizer`. Which classes there are, their settings
and their documentation are read from the sources of the installed package; it is imported when a run needs it.
"""

from __future__ import annotations

import ast
import importlib
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from inspect import Parameter, Signature
from typing import Any

from xprun.plugins.registry import Component, Origin, Registry
from xprun.plugins.source_reading import SourceClass, SourceModule, open_package, read_parameters
from xprun.plugins.types import InnerOptimizer

# Where the classes of a package stand: the distribution that brings it.
DISTRIBUTIONS = {
    "lion_pytorch": "lion-pytorch",
    "prodigyopt": "prodigyopt",
    "pytorch_optimizer": "pytorch_optimizer",
    "schedulefree": "schedulefree",
    "timm.optim": "timm",
    "torch_optimizer": "torch-optimizer",
}
HANDED_IN = ("params", "named_parameters", "model")  # by the runner, in place of the first parameter
INNER = ("optimizer", "base_optimizer")  # parameters that take another optimizer: made, as the first, or its class
OWN_GRADIENTS = ("backward", "fused_backward", "pc_backward")  # methods that stand in for the backward pass of a loop


class OptimizerPackage:
    """The classes of one package, of which the registry hears when a name of theirs is asked for."""

    reason = ""

    def __init__(self, home: str) -> None:
        self.name = self.target = home
        self.loaded = False

    @property
    def source(self) -> str:
        """The distribution with its version."""
        return f"{DISTRIBUTIONS[self.name]} {version(DISTRIBUTIONS[self.name])}"

    @property
    def in_use(self) -> bool:
        return self.loaded and self._module is not None

    def may_be(self, name: str) -> bool:
        return name.startswith(f"{self.name}.")

    def load(self, registry: Registry) -> None:
        """Register the optimizers of the package, or how to install it; nothing of it is imported."""
        self.loaded = True
        if self._module is None:
            registry.absent[self.name] = f"pip install {DISTRIBUTIONS[self.name]}"
        for found in self._classes:
            if isinstance(found, Component):
                registry.add(found)
            else:
                name, why = found
                registry.declined["optimizer", name] = why

    @cached_property
    def _module(self) -> SourceModule | None:
        package = open_package(self.name.partition(".")[0])
        try:
            self.source  # noqa: B018 - a folder of that name is no distribution
        except PackageNotFoundError:
            return None
        return package.module(self.name) if package else None

    @cached_property
    def _classes(self) -> list[Component | tuple[str, str]]:
        """The optimizers, and of those that no spec can name the name and why."""
        if self._module is None:
            return []
        named = {name: self._module.resolve(name) for name in self._module.names}
        classes = {name: cls for name, cls in named.items() if isinstance(cls, SourceClass) and _is_optimizer(cls)}
        read = [_read(f"{self.name}.{name}", cls, self.source) for name, cls in classes.items()]
        return [found for found in read if found]


def register(registry: Registry) -> None:
    """Add all packages to a registry, those that are not installed too: they say so when they are asked for."""
    registry.plugins += map(OptimizerPackage, DISTRIBUTIONS)


def _is_optimizer(cls: SourceClass) -> bool:
    """Whether a class is derived from torch's base class, and is no base class for others itself."""
    outside = [ancestor for ancestor in cls.ancestors() if isinstance(ancestor, tuple)]
    return not cls.node.name.startswith("Base") and any(
        module.partition(".")[0] == "torch" and name.rpartition(".")[2] == "Optimizer" for module, name in outside
    )


def _read(name: str, cls: SourceClass, source: str) -> Component | tuple[str, str] | None:
    """Return a class as a component, or its name and why a spec cannot name it; None where nothing is known of it."""
    constructor = cls.method("__init__")
    parameters = read_parameters(*constructor) if constructor else []
    if not parameters:
        return None
    if why := _why_not(cls, parameters):
        return name, f"{why}; write a class of your own that does what it needs"
    home, _, attribute = name.rpartition(".")
    inner = next((p.name for p in parameters if _is_inner(p)), None)
    settings = [p.replace(annotation=InnerOptimizer) if p.name == inner else p for p in parameters]
    settings = settings if parameters[0].name == inner else settings[1:]
    origin = Origin(source, home, str(cls.module.file), cls.node.lineno)
    load = partial(load_class, home, attribute, inner, inner == parameters[0].name)
    return Component("optimizer", name, origin, _signature(cls, settings), load, source)


def _why_not(cls: SourceClass, parameters: list[Parameter]) -> str:
    """Return why no loop but one of its own can train with a class, or nothing."""
    methods = [name for name in OWN_GRADIENTS if cls.method(name)]
    if methods:
        return f"it takes the place of the backward pass (`{methods[0]}`)"
    first, *others = parameters
    alien = [p.name for p in others if isinstance(p.annotation, ast.expr) and not _is_inner(p)]
    if first.name not in (*HANDED_IN, *INNER):
        alien.insert(0, first.name)
    return f"it is made with {alien[0]!r}, which is no value of a spec" if alien else ""


def _is_inner(parameter: Parameter) -> bool:
    return parameter.name in INNER and parameter.default is Parameter.empty


def _signature(cls: SourceClass, parameters: list[Parameter]) -> Any:
    """Return a function with these settings; a default that only the class can evaluate stays with the class."""
    settings = [p for p in parameters if not isinstance(p.default, ast.expr)]

    def signature(**settings: Any) -> Any:
        raise NotImplementedError

    signature.__name__ = signature.__qualname__ = cls.node.name
    signature.__doc__ = cls.doc
    signature.__signature__ = Signature(settings)  # type: ignore[attr-defined]
    signature.__annotations__ = {}
    return signature


def load_class(home: str, name: str, inner: str | None = None, is_made: bool = False) -> Any:
    """Import a package and return a class of it; one that wraps another optimizer makes that from a setting."""
    if home == "timm.optim":
        from xprun.plugins.torchvision_import import import_torchvision

        import_torchvision()  # which timm imports
    cls = getattr(importlib.import_module(home), name)
    return _wrapping(cls, inner, is_made) if inner else cls


def _wrapping(cls: Any, inner: str, is_made: bool) -> Any:
    """Return a class like `cls` whose setting `inner` is a function that makes the wrapped optimizer.

    `is_made`: the class is handed that optimizer; else its class, and its settings beside its own.
    """

    class Wrapping(cls):  # type: ignore[misc]
        def __init__(self, params: Any, **settings: Any) -> None:
            make = settings.pop(inner)
            if is_made:
                super().__init__(make(params), **settings)
            else:
                super().__init__(params, **{inner: make.func}, **settings, **make.keywords)

    Wrapping.__name__, Wrapping.__qualname__, Wrapping.__module__ = cls.__name__, cls.__qualname__, cls.__module__
    return Wrapping
