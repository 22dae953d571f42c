"""The functions and classes of torch, numpy, Python and xprun as they were, so that a patch of one shows."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import takewhile
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import torch

# The modules whose functions others compute with, and those below which all are of that kind.
_NAMES = """
    builtins copy functools itertools math operator random numpy numpy.linalg numpy.random torch torch._tensor torch._C
    torch._C._nn torch._C._linalg torch._C._special torch._C._fft torch.functional torch.linalg torch.special
    torch.random torch.overrides torch.amp torch.func torch.nn torch.optim torch.autograd torch.fft torch.sparse xprun
"""
WATCHED = frozenset(_NAMES.split())
WATCHED_BELOW = (
    "torch.nn.",
    "torch.optim.",
    "torch.autograd.",
    "torch.utils.data.",
    "torch.distributions.",
    "torch._functorch.",
    "xprun.",
)
CODE_BELOW = ("torch.nn.", "torch.optim.")  # what may be changed inside of functions is looked at here; it takes longer
TORCH = f"{Path(torch.__file__).parent}{os.sep}"
TAGGING = str(Path(TORCH, "_dynamo", "mutation_guard.py"))  # which replaces the constructor of modules
MISSING = object()


@dataclass(frozen=True)
class Patch:
    """Something that was replaced, by its name, and what puts it back."""

    name: str
    undo: Callable[[], object]


@dataclass
class _Namespace:
    """A module or a class, and what it holds."""

    name: str
    owner: Any
    before: dict[str, Any]

    def __post_init__(self) -> None:
        self.now = vars(self.owner)  # as it is at any time

    def is_changed(self) -> bool:
        """Whether it holds other objects; dictionaries look at identity first, and that is fast."""
        try:
            return bool(self.now != self.before)
        except Exception:  # of objects that refuse to be compared with others: some are others
            return True

    def patches(self) -> Iterator[tuple[str, Any]]:
        """Yield what was replaced, by name, with what it was; what is new and hides nothing is learnt."""
        now = dict(self.now)
        for name in self.before.keys() | now.keys():
            before, after = self.before.get(name, MISSING), now.get(name, MISSING)
            if before is after:
                continue
            if _is_of_torch(self._inherited(name) if before is MISSING else before, after):
                self.before[name] = after
            elif _counts(before) or (before is MISSING and callable(after) and self._inherited(name) is not MISSING):
                yield name, before
            elif after is MISSING:
                del self.before[name]
            else:
                self.before[name] = after

    def _inherited(self, name: str) -> Any:
        """Return what a class has of that name from others, before which a new one stands."""
        bases = self.owner.__mro__[1:] if isinstance(self.owner, type) else ()
        return next((vars(base)[name] for base in bases if name in vars(base)), MISSING)

    def put_back(self, name: str, value: Any) -> None:
        if value is MISSING:
            delattr(self.owner, name)
        else:
            setattr(self.owner, name, value)


def _is_of_torch(before: Any, after: Any) -> bool:
    """Whether torch has wrapped its own function: steps of optimizers at their first use, others for its compiler."""
    file = getattr(getattr(after, "__code__", None), "co_filename", "")
    return file == TAGGING or (file.startswith(TORCH) and _innermost(after) is _innermost(before))


def _innermost(function: Any) -> Any:
    """Return what wrappers of torch are around."""
    while inner := getattr(function, "__wrapped__", None) or getattr(function, "_torchdynamo_orig_callable", None):
        function = inner
    return function


def _counts(value: Any) -> bool:
    """Whether others compute with it: functions, classes, constants; not what a module counts or caches."""
    return callable(value) or isinstance(value, float | classmethod | staticmethod | property)


class Namespaces:
    """All that is watched, each module from when it is first seen."""

    def __init__(self) -> None:
        for name in WATCHED:  # or whoever imports it first could replace something unseen
            importlib.import_module(name)
        self.look()

    def look(self) -> None:
        """Take everything as it is now for what it should be."""
        self._modules: dict[str, ModuleType] = {}
        self._known: dict[int, _Namespace] = {}
        self._code: dict[int, tuple[str, FunctionType, Any, Any, Any]] = {}
        self._latest = ""  # the module that was seen last
        self._add("torch.Tensor", torch.Tensor)
        self._add("torch.ops.aten", torch.ops.aten)
        self.see_imported()

    def see_imported(self) -> None:
        """Watch what has been imported since: it stands behind what was there, unless that was taken away."""
        new = list(takewhile(lambda name: name != self._latest, reversed(sys.modules)))
        self._latest = new[0] if new else self._latest
        for name in filter(_is_watched, reversed(new)):
            module = sys.modules[name]
            if name not in self._modules and isinstance(module, ModuleType):
                self._modules[name] = module
                self._add(name, module)

    def _add(self, name: str, owner: Any) -> None:
        if id(owner) in self._known:
            return
        content = dict(vars(owner))
        self._known[id(owner)] = _Namespace(name, owner, content)
        for key, value in content.items():
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if isinstance(function, FunctionType) and name.startswith(CODE_BELOW):
                code = function.__code__, function.__defaults__, function.__kwdefaults__
                self._code.setdefault(id(function), (f"{name}.{key}", function, *code))
            elif isinstance(value, type) and _is_watched(getattr(value, "__module__", None)):
                self._add(f"{value.__module__}.{value.__qualname__}", value)

    def patches(self) -> list[Patch]:
        """Return what was replaced since the last look."""
        return [*self._of_modules(), *self._of_namespaces(), *self._of_code()]

    def _of_modules(self) -> Iterator[Patch]:
        for name, module in self._modules.items():
            if sys.modules.get(name) is not module:
                yield Patch(f"sys.modules[{name!r}]", partial(sys.modules.__setitem__, name, module))

    def _of_namespaces(self) -> Iterator[Patch]:
        for namespace in self._known.values():
            if namespace.is_changed():
                for name, before in namespace.patches():
                    yield Patch(f"{namespace.name}.{name}", partial(namespace.put_back, name, before))

    def _of_code(self) -> Iterator[Patch]:
        for name, function, code, defaults, keywords in self._code.values():
            is_same = function.__code__ is code and function.__defaults__ is defaults
            if not is_same or function.__kwdefaults__ is not keywords:
                yield Patch(f"{name}'s code", partial(_write_code, function, code, defaults, keywords))


def _is_watched(module: object) -> bool:
    return isinstance(module, str) and (module in WATCHED or module.startswith(WATCHED_BELOW))


def _write_code(function: FunctionType, code: Any, defaults: Any, keywords: Any) -> None:
    function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, keywords


@cache
def namespaces() -> Namespaces:
    """Return what is watched in this process, from the first call on."""
    return Namespaces()
