"""Layers of torch.nn whose input size may be left out: torch's lazy class finds it at the first rows it sees."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any


def input_size(cls: Callable[..., Any], twin: Callable[..., Any] | None) -> str | None:
    """Return the setting that a class needs and its lazy class finds (`in_features`), or None where none does.

    A lazy InstanceNorm without parameters never finds its size, and warns of it at each step.
    """
    if twin is None or cls.__name__.startswith("InstanceNorm"):
        return None
    needed = inspect.signature(cls).parameters
    [size] = [name for name in needed if name not in inspect.signature(twin).parameters]
    return size


def layer_maker(name: str) -> Callable[..., Any]:
    """Return what makes a layer from its settings: the class, or its lazy class where the input size is left out."""
    from torch import nn

    cls: Callable[..., Any] = getattr(nn, name)
    twin: Any = getattr(nn, f"Lazy{name}", None)
    size = input_size(cls, twin)
    if size is None:
        return cls

    def make(**settings: Any) -> Any:
        if settings.get(size) is not None:
            return cls(**settings)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # "a new feature", since torch 1.8
            return twin(**{key: value for key, value in settings.items() if key != size})

    return make
