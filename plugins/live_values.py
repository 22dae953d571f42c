"""What a function that was typed into a notebook refers to: its source alone does not tell what it computes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

from xprun.plugins.followed_imports import Reads, follow
from xprun.plugins.own_modules import digest_of

PLAIN = (bool, int, float, complex, str, bytes, type(None))
ARRAYS = ("numpy", "torch")
OF_EVERY_CLASS = ("__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__firstlineno__")


def reads_of_function(function: Any) -> Reads:
    """Return the values of the names that a function refers to, those of the functions among them included.

    Modules, and what is defined in one, are read as `follow` reads them. A value that is neither plain nor an array,
    nor an object of a class that can be read, is `unknown`.
    """
    reads = Reads()
    for name, value in _references(inspect.unwrap(function)):
        _Describer(reads).keep(name, value)
    return reads


class _Describer:
    """Describes values as text, each object once."""

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        self.met: set[int] = set()

    def keep(self, name: str, value: Any) -> None:
        """Put a hash of a value under a name; of a module, and of what one defines, the reads of that module."""
        self.name = name
        if text := self.describe(value):
            self.reads.values[name] = digest_of(text.encode())

    def describe(self, value: Any) -> str:
        if isinstance(value, PLAIN):
            return repr(value)
        if id(value) in self.met:
            return f"<{type(value).__name__} above>"
        self.met.add(id(value))
        match value:
            case ModuleType():
                return self._import(value.__name__)
            case FunctionType() | type():
                return self._definition(value)
            case partial():
                return (
                    f"partial {self.describe(value.func)} {self.describe(value.args)} {self.describe(value.keywords)}"
                )
            case list() | tuple():
                return f"{type(value).__name__} {[self.describe(item) for item in value]}"
            case set() | frozenset():
                return f"{type(value).__name__} {sorted(self.describe(item) for item in value)}"
            case dict():
                return f"dict {[(self.describe(key), self.describe(item)) for key, item in value.items()]}"
        return self._object(value)

    def _import(self, module: str) -> str:
        if module in sys.builtin_module_names or module == "__main__":
            return ""
        found = follow([("", "", f"import {module}".encode())])
        self.reads.modules |= found.modules
        self.reads.versions |= found.versions
        return ""

    def _definition(self, value: Any) -> str:
        """Describe a function or a class that was typed in; another one is what its module makes it."""
        if value.__module__ != "__main__" or "__file__" in vars(sys.modules["__main__"]):
            return f"{value.__module__}.{value.__qualname__} {self._import(value.__module__)}"
        return self._class(value) if isinstance(value, type) else self._function(value)

    def _class(self, value: type) -> str:
        members = {name: member for name, member in vars(value).items() if name not in OF_EVERY_CLASS}
        bases = [self.describe(base) for base in value.__bases__ if base is not object]
        return f"class {value.__qualname__} {bases} {self.describe(members)}"

    def _function(self, value: FunctionType) -> str:
        try:
            text = inspect.getsource(value)
        except (OSError, TypeError):
            return self._unknown(value)
        inside = [(name, self.describe(item)) for name, item in _references(value)]
        return f"{text} {inside} {self.describe((value.__defaults__, value.__kwdefaults__))}"

    def _object(self, value: Any) -> str:
        kind = type(value)
        if kind.__module__.partition(".")[0] in ARRAYS and hasattr(value, "shape"):
            array = value.detach().cpu().numpy() if hasattr(value, "detach") else value
            return f"{getattr(value, 'dtype', '')} {tuple(value.shape)} {digest_of(array.tobytes())}"
        if kind.__module__ == "__main__" and hasattr(value, "__dict__"):
            return f"{self.describe(kind)} {self.describe(vars(value))}"
        if kind.__module__ == "builtins" and callable(value):
            return f"{value.__qualname__}"
        return self._unknown(value)

    def _unknown(self, value: Any) -> str:
        self.reads.unknown.append(f"the value of {self.name}, of type {type(value).__qualname__}")
        return f"<{type(value).__qualname__}>"


def _references(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function refers to by name: globals, and variables of surrounding functions, with their values."""
    code = getattr(function, "__code__", None)
    if code is None:
        return
    known = function.__globals__
    yield from ((name, known[name]) for name in dict.fromkeys(_names(code)) if name in known)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # is given a value later
            continue


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in a code, and in those of the functions that stand in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
