"""Writes layers of torch.nn as the Python that makes them: `nn.Linear(64, 10)`."""

from __future__ import annotations

from typing import Any

from torch import nn
from xprun.runner.workload.layer_settings import settings_of

LITERALS = (bool, int, float, str, type(None))


def source_of(module: nn.Module, indent: str = "") -> str | None:
    """Return an expression that makes a layer like this one, or a `Sequential` of such; None where nothing known does.

    What it makes has parameters of the same names and shapes, and is trained and evaluated in the same way.
    """
    if type(module) is nn.Sequential:
        return _source_of_chain(module, indent)
    name, settings = type(module).__name__, settings_of(module)
    if getattr(nn, name, None) is not type(module) or settings is None or not all(map(_is_literal, settings.values())):
        return None
    if repr(type(module)(**settings)) != repr(module):
        return None
    return f"nn.{name}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"


def parts_of_chain(module: nn.Module, indent: str) -> list[str] | None:
    """Return the expressions of the layers of a `Sequential`; None where one has none or is misnamed."""
    names = [name for name, _ in module.named_children()]
    if names != list(map(str, range(len(names)))):
        return None
    found = [source_of(part, indent) for part in module.children()]
    return None if None in found else [part for part in found if part]


def _source_of_chain(module: nn.Module, indent: str) -> str | None:
    parts = parts_of_chain(module, f"{indent}    ")
    if parts is None:
        return None
    return "nn.Sequential(\n" + "".join(f"{indent}    {part},\n" for part in parts) + f"{indent})"


def _is_literal(value: Any) -> bool:
    return all(map(_is_literal, value)) if isinstance(value, tuple) else isinstance(value, LITERALS)
