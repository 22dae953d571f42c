"""What a layer was made with: the arguments of its class, read back from the attributes that are called like them."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

from torch import nn

SIZES = ("in_features", "in_channels", "out_features", "out_channels")
PLACE = ("device", "dtype")  # of the parameters, which is no setting


def settings_of(module: nn.Module) -> dict[str, Any] | None:
    """Return the arguments that make a layer, without those that are as by default.

    None where an attribute does not tell: where the class takes any arguments, or keeps them under other names.
    """
    found: dict[str, Any] = {}
    if isinstance(module, nn.Identity):  # which takes any arguments, and forgets them
        return found
    recurrent = isinstance(module, nn.RNNBase)  # whose classes take any arguments, and hand them on
    for name, parameter in signature(nn.RNNBase if recurrent else type(module)).parameters.items():
        if name in PLACE or name.startswith("_") or (recurrent and name == "mode"):
            continue
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) or not hasattr(module, name):
            return None
        value = getattr(module, name)
        if name == "bias" and not isinstance(value, bool):
            value = value is not None
        if parameter.default is Parameter.empty or _one_of(value) != _one_of(parameter.default):
            found[name] = value
    return found


def in_short(module: nn.Module) -> str:
    """Return the settings of a layer in few words: `1 -> 8, kernel_size=3`, or what torch tells of it."""
    settings = settings_of(module)
    if settings is None:
        return module.extra_repr()
    sizes = [settings.pop(name) for name in SIZES if name in settings]
    settings.pop("inplace", None)
    words = [" \N{RIGHTWARDS ARROW} ".join(map(str, sizes))] if sizes else []
    return ", ".join([*words, *(f"{name}={_one_of(value)!r}" for name, value in settings.items())])


def _one_of(value: Any) -> Any:
    """Return a value as one writes it: 3 for (3, 3), which means the same."""
    return value[0] if isinstance(value, tuple) and len(value) > 0 and len(set(value)) == 1 else value
