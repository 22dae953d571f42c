"""Plugins of installed distributions: each is imported when one of its names is asked for, and may turn out broken."""

from __future__ import annotations

import importlib
import inspect
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xprun.plugins.entry_points import EntryPoint
from xprun.plugins.error_words import words_of
from xprun.plugins.own_modules import recording
from xprun.plugins.registry import NameTakenError, PluginError, Registry
from xprun.plugins.signature import makes_optimizer, positional_names
from xprun.plugins.user_signals import noted_signals


@dataclass
class Installed:
    """An entry point and what became of it: `loaded` once it was imported, with a `reason` if that failed."""

    point: EntryPoint
    loaded: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        return self.point.name

    @property
    def target(self) -> str:
        return self.point.target

    @property
    def source(self) -> str:
        """The distribution with its version."""
        return f"{self.point.distribution} {self.point.version}".strip()

    @property
    def in_use(self) -> bool:
        return self.loaded and not self.reason

    def may_be(self, name: str) -> bool:
        """Whether a component of that name is this plugin's by its name: `acme` has `acme` and all of `acme.*`."""
        return name == self.name or name.startswith(f"{self.name}.")

    def load(self, registry: Registry) -> None:
        """Import the plugin, which registers its components: all of them, or none when it is broken."""
        if self.loaded:
            return
        self.loaded = True
        before = registry.copy()
        with noted_signals() as signals:
            try:
                with registry.attributing(self.source, self.source, self.point.module), recording():
                    _adopt(registry, self.name, self.point.load())
            except BaseException as error:  # SystemExit, too: the end of a plugin is not ours
                registry.restore(before)
                if signals:
                    raise
                self.reason = describe_error(error)
                if isinstance(error, NameTakenError):
                    registry.contested[error.kind, error.name] = str(error)


def _adopt(registry: Registry, name: str, thing: Any) -> None:
    """Register a function or class that no decorator has registered, under the name of its entry point."""
    if inspect.ismodule(thing) or any(component.signature is thing for component in registry.components()):
        return
    registry.decorator(_kind_of(thing))(name)(thing)


def _kind_of(thing: Any) -> str:
    """Return what kind of component a bare class or function is, from its base class or its parameters.

    Raises TypeError where that does not tell.
    """
    if inspect.isclass(thing):
        bases = {f"{base.__module__}.{base.__qualname__}" for base in thing.__mro__}
        if "torch.optim.optimizer.Optimizer" in bases:
            return "optimizer"
        if "torch.nn.modules.module.Module" in bases:
            return "loss" if thing.__name__.endswith("Loss") else "layer"
    elif callable(thing):
        if makes_optimizer(thing):
            return "optimizer"
        first = positional_names(thing)[:2]
        known = {("w", "g"): "optimizer", ("x", "y"): "model", ("tensor",): "init", (): "data"}
        if first in known:
            return known[first]
    raise TypeError(f'{thing!r} does not say what kind of component it is; decorate it, for example with @loss("name")')


def describe_error(error: BaseException) -> str:
    """Return an error of a plugin in words: its type, what it says, and the line that raised it."""
    if isinstance(error, PluginError):
        return str(error)
    words = f"{type(error).__name__}: {words_of(error)}".rstrip(": ")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames and not isinstance(error, SyntaxError) else ""
    return words + place


def _is_ours(file: str) -> bool:
    """Whether a frame belongs to the import machinery or to this folder, which say nothing about a plugin."""
    return file.startswith("<frozen") or Path(file).parent in (Path(__file__).parent, Path(importlib.__file__).parent)
