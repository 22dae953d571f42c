"""The registry: a flat name of a kind stands for one component, whose signature is its schema."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from xprun.plugins.kinds import KINDS
from xprun.plugins.signature import Setting, read_settings

Function = TypeVar("Function", bound=Callable[..., Any])


class Decorator(Protocol):
    def __call__(self, name: str, *, goal: str = "min") -> Callable[[Function], Function]: ...


class PluginError(Exception):
    """A plugin is broken: it cannot be imported, or two of them claim one name."""


class UnknownComponentError(LookupError):
    """No component of that kind has that name; `known` lists those that exist."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(f"there is no {kind} named {name!r}")
        self.kind, self.name, self.known = kind, name, known


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a component comes from: its source (`built-in`, `torch.optim`, a file) and its definition's place."""

    source: str
    module: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.source} ({self.module}, {self.file}:{self.line})"


@dataclass(frozen=True)
class Component:
    """One registered component.

    `signature` is a callable whose keyword-only parameters are the settings; it imports nothing. `load` returns
    the callable that does the work and may import torch. `fingerprint` identifies the source that was imported.
    """

    kind: str
    name: str
    origin: Origin
    signature: Callable[..., Any]
    load: Callable[[], Any]
    fingerprint: str
    goal: str = "min"  # of a metric: whether less or more is better

    @cached_property
    def settings(self) -> dict[str, Setting]:
        return read_settings(self.signature)

    @cached_property
    def schema(self) -> dict[str, Setting]:
        """Its own settings, then those of its kind, for which its own may stand in."""
        return {**self.settings, **KINDS[self.kind].common_settings, **self.settings}

    @property
    def returns(self) -> str:
        """The name of what the component says it returns, or nothing."""
        annotation = getattr(self.signature, "__annotations__", {}).get("return", "")
        return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.signature) or ""


class Registry:
    """All components by kind and name."""

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Component]] = {kind: {} for kind in KINDS}
        self.source = "built-in"

    def add(self, component: Component) -> None:
        """Register a component; the same name twice is an error that shows both origins."""
        known = self._components[component.kind]
        other = known.get(component.name)
        if other is not None and other.origin != component.origin:
            raise PluginError(
                f"two plugins register the {component.kind} {component.name!r}:\n  {other.origin}\n  {component.origin}"
            )
        known[component.name] = component

    def find(self, kind: str, name: str) -> Component:
        """Return the component; raise UnknownComponentError when there is none."""
        try:
            return self._components[kind][name]
        except KeyError:
            raise UnknownComponentError(kind, name, self.names(kind)) from None

    def names(self, kind: str) -> list[str]:
        return sorted(self._components[kind])

    def components(self, kind: str | None = None) -> list[Component]:
        kinds = [kind] if kind else list(KINDS)
        return [self._components[k][name] for k in kinds for name in self.names(k)]

    def find_any(self, name: str) -> list[Component]:
        """Return the components of that name, of whatever kind."""
        return [known[name] for known in self._components.values() if name in known]

    def decorator(self, kind: str) -> Decorator:
        """Return the decorator `@kind("name")`, which registers a function and gives it back unchanged."""

        def named(name: str, *, goal: str = "min") -> Callable[[Function], Function]:
            if not isinstance(name, str):
                raise TypeError(f'write @{kind}("name"): the name under which specs find this component')

            def register(function: Function) -> Function:
                origin = self._origin_of(function)
                fingerprint = fingerprint_of_file(origin.file)
                self.add(Component(kind, name, origin, function, lambda: function, fingerprint, goal))
                return function

            return register

        return named

    def copy(self) -> Registry:
        """Return an independent registry with the same components."""
        twin = Registry()
        twin._components = {kind: dict(known) for kind, known in self._components.items()}
        return twin

    def restore(self, other: Registry) -> None:
        """Forget everything and take over the components of `other`."""
        self._components = other.copy()._components

    def _origin_of(self, function: Callable[..., Any]) -> Origin:
        code = getattr(inspect.unwrap(function), "__code__", None)
        file = code.co_filename if code else inspect.getfile(function)
        line = code.co_firstlineno if code else inspect.getsourcelines(function)[1]
        return Origin(self.source, function.__module__, file, line)


def fingerprint_of_file(file: str) -> str:
    """Return a hash of a source file as it is now, which is as it was imported: a result depends on its text."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


REGISTRY = Registry()

data = REGISTRY.decorator("data")
model = REGISTRY.decorator("model")
layer = REGISTRY.decorator("layer")
init = REGISTRY.decorator("init")
loss = REGISTRY.decorator("loss")
optimizer = REGISTRY.decorator("optimizer")
metric = REGISTRY.decorator("metric")
launcher = REGISTRY.decorator("launcher")
