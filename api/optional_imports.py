"""Lets a broken optional package count as one that is not installed, for the libraries that only try to import it."""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# What pandas, seaborn and matplotlib try to import. They catch ImportError alone; a package that was built for another
# numpy also raises AttributeError or RuntimeError, and pandas could not be imported for a file format nobody asked for.
TRIED = ("pyarrow", "numexpr", "bottleneck", "statsmodels", "fastcluster", "numba")


class _Guard(importlib.abc.MetaPathFinder):
    """Finds the packages that are tried as they are found anyway, and sees to what their import raises."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in TRIED:
            return None
        for finder in sys.meta_path:
            found = finder.find_spec(name, path, target) if finder is not self else None
            if found is not None:
                if found.loader is not None:
                    found.loader = _Guarded(found.loader)
                return found
        return None


class _Guarded(importlib.abc.Loader):
    """A loader that raises ImportError for whatever its package raises; in all else it is the loader it stands for."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader  # for who asks for its files
        try:
            self._loader.exec_module(module)
        except ImportError:
            raise
        except (Exception, SystemExit) as error:
            raise ImportError(f"{type(error).__name__}: {error}", name=module.__name__) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def guard() -> None:
    """Guard the imports of this process from now on."""
    if not any(isinstance(finder, _Guard) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Guard())
