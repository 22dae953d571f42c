"""The optimizers of packages that know nothing of xprun, by the names under which they are imported.

`pytorch_optimizer.Lion` is the class `Lion` of the package `pytorch_optimizer`. Which classes there are, their settings
and their documentation are read from the sources of the installed package; it is imported when a run needs it.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from inspect import Parameter, Signature
from typing import Any

from xprun.plugins.registry import Component, Origin, Registry
from xprun.plugins.signature import HANDED_IN
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
INNER = ("optimizer", "base_optimizer")  # parameters that take another optimizer: made, as the first, or its class
MARK = "use_muon"  # a flag of each group of parameters, which some classes want
OWN_GRADIENTS = ("backward", "fused_backward", "pc_backward")  # methods that stand in for the backward pass of a loop


class OptimizerPackage:
    """The classes of one package, of which the registry hears when a name of theirs is asked for."""

    reason = ""
    asked_for = False
    kinds = frozenset({"optimizer"})

    def __init__(self, home: str) -> None:
        self.name = self.target = home
        self.loaded = False

    @property
    def source(self) -> str:
        """The distribution with its version."""
        return f"{DISTRIBUTIONS[self.name]} {version(DISTRIBUTIONS[self.name])}"

    @property
    def in_use(self) -> bool:
        """Whether an optimizer of it was asked for, and not only whether it has one of a name."""
        return self.asked_for and self._module is not None

    def may_be(self, name: str) -> bool:
        is_its = name.startswith(f"{self.name}.")
        self.asked_for = self.asked_for or is_its
        return is_its

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
        classes = {name: cls for name, cls in named.items() if isinstance(cls, SourceClass) and _steps(cls)}
        read = [_read(f"{self.name}.{name}", cls, self.source) for name, cls in classes.items()]
        return [found for found in read if found]


def register(registry: Registry) -> None:
    """Add all packages to a registry, those that are not installed too: they say so when they are asked for."""
    registry.plugins += map(OptimizerPackage, DISTRIBUTIONS)


def _steps(cls: SourceClass) -> bool:
    """Whether a class is used as an optimizer is, be it one or not."""
    return _is_optimizer(cls) or (cls.method("step") is not None and cls.method("zero_grad") is not None)


def _is_optimizer(cls: SourceClass) -> bool:
    """Whether a class is derived from torch's base class, and is no base class for others itself."""
    outside = [ancestor for ancestor in cls.ancestors() if isinstance(ancestor, tuple)]
    return not cls.node.name.startswith("Base") and any(
        module.partition(".")[0] == "torch" and name.rpartition(".")[2] == "Optimizer" for module, name in outside
    )


def _read(name: str, cls: SourceClass, source: str) -> Component | tuple[str, str] | None:
    """Return a class as a component, or its name and why a spec cannot name it; None where nothing is known of it."""
    if not _is_optimizer(cls):
        return name, "it is no torch.optim.Optimizer; write a class of your own around it"
    constructor = cls.method("__init__")
    parameters = read_parameters(*constructor) if constructor else []
    if not parameters:
        return None
    if why := _why_not(cls, parameters):
        return name, f"{why}; write a class of your own that does what it needs"
    inner = next((p.name for p in parameters if _is_inner(p)), None)
    typed = [p.replace(annotation=InnerOptimizer) if p.name == inner else p for p in parameters]
    settings = [p for p in typed if p.name not in HANDED_IN]
    made = inner is not None and inner == parameters[0].name
    asked = ["params"] if made else [p.name for p in parameters if p.name in HANDED_IN]
    adapted = Adapted(tuple(asked), inner, made, _wants_marks(cls))
    home, _, attribute = name.rpartition(".")
    origin = Origin(source, home, str(cls.module.file), cls.node.lineno)
    load = partial(load_class, home, attribute, adapted)
    return Component("optimizer", name, origin, _signature(cls, settings), load, source)


def _why_not(cls: SourceClass, parameters: list[Parameter]) -> str:
    """Return why no loop but one of its own can train with a class, or nothing."""
    methods = [name for name in OWN_GRADIENTS if cls.method(name)]
    if methods:
        return f"it takes the place of the backward pass (`{methods[0]}`)"
    first, *others = parameters
    strange = [p.name for p in others if isinstance(p.annotation, ast.expr) and not _is_inner(p)]
    alien = [name for name in strange if name not in HANDED_IN]
    if first.name not in (*HANDED_IN, *INNER):
        alien.insert(0, first.name)
    return f"it is made with {alien[0]!r}, which is no value of a spec" if alien else ""


def _wants_marks(cls: SourceClass) -> bool:
    ancestors = [ancestor.node for ancestor in cls.ancestors() if isinstance(ancestor, SourceClass)]
    return any(_is_mark(part) for node in ancestors for part in ast.walk(node))


def _is_mark(node: ast.AST) -> bool:
    """Whether an expression is `group[MARK]`."""
    match node:
        case ast.Subscript(value=ast.Name(id="group"), slice=ast.Constant(value=key)):
            return bool(key == MARK)
    return False


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


@dataclass(frozen=True)
class Adapted:
    """What a class is handed in another form than a loop has it.

    `asked`: of HANDED_IN what its constructor takes. `inner`: the parameter that takes another optimizer, which is
    `made` of the parameters, or else the class of one, with its settings beside those of this one. `marked`: its groups
    of parameters say by a flag which are trained as matrices.
    """

    asked: tuple[str, ...]
    inner: str | None
    made: bool
    marked: bool


def load_class(home: str, name: str, adapted: Adapted) -> Any:
    """Import a package and return a class of it, or one that adapts it to what a loop hands in."""
    if home == "timm.optim":
        from xprun.plugins.torchvision_import import import_torchvision

        import_torchvision()  # which timm imports
    cls = getattr(importlib.import_module(home), name)
    return _adapt(cls, adapted) if adapted.inner or adapted.marked else cls


def _adapt(cls: Any, adapted: Adapted) -> Any:
    class Adapter(cls):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            if adapted.marked:
                given["params"] = _marked(given["params"])
            if adapted.inner is None:
                super().__init__(**given)
                return
            make = given.pop(adapted.inner)
            if adapted.made:
                super().__init__(make(given.pop("params")), **given)
            else:
                super().__init__(**{adapted.inner: make.func}, **given, **make.keywords)

    Adapter.__name__, Adapter.__qualname__, Adapter.__module__ = cls.__name__, cls.__qualname__, cls.__module__
    Adapter.__signature__ = Signature([Parameter(name, Parameter.KEYWORD_ONLY) for name in adapted.asked])
    return Adapter


def _marked(params: list[Any]) -> list[dict[str, Any]]:
    """Return groups of parameters with the flag that matrices, with two axes, have and others have not."""
    groups = params if params and isinstance(params[0], dict) else [{"params": params}]
    halves = [
        {**group, "params": [p for p in group["params"] if (p.dim() == 2) is flag], MARK: flag}
        for group in groups
        for flag in (True, False)
    ]
    return [half for half in halves if half["params"]]
