"""Which part of a spec an exception came from, kept on the exception for whoever tells it.

The words of a library (`mat1 and mat2 shapes cannot be multiplied`) say nothing of the component that they are about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Inside = tuple[str | int, ...]
ATTRIBUTE = "_xprun_blamed"
# The settings of layers that say how large their inputs are, and the axis of the inputs that has this size.
SIZES = {"in_features": -1, "in_channels": 1, "num_features": 1, "input_size": -1, "num_channels": 1}
LONGEST = 160  # characters of the settings that are told


@dataclass(frozen=True)
class Blamed:
    """A component of a section, and where inside of it: `what` says it with its settings, for people."""

    section: str
    inside: Inside
    what: str


@contextmanager
def blaming(section: str, what: str | Callable[[], str], *inside: str | int) -> Iterator[None]:
    """Let an exception that leaves know what it came from, unless something inside has told it already.

    `what` may be a function, which is asked only then.
    """
    try:
        yield
    except Exception as error:
        blame(error, Blamed(section, inside, what if isinstance(what, str) else what()))
        raise


def blame(error: BaseException, blamed: Blamed) -> None:
    """Keep on an exception what it came from, unless that is known."""
    if blamed_for(error) is None:
        try:
            setattr(error, ATTRIBUTE, blamed)
        except AttributeError:  # a class without room for it
            return


def blamed_for(error: BaseException) -> Blamed | None:
    """Return what an exception came from, as far as it is known."""
    found: Blamed | None = getattr(error, ATTRIBUTE, None)
    return found


def described(name: str, settings: Mapping[str, Any]) -> str:
    """Return a component with its settings: `Linear(in_features = 32, out_features = 10)`."""
    inside = ", ".join(f"{key} = {_shown(value)}" for key, value in settings.items() if value is not None)
    inside = inside if len(inside) <= LONGEST else f"{inside[:LONGEST]}..."
    return f"{name}({inside})" if inside else name


def failed_layer(module: Any, inputs: Any) -> str:
    """Return which layer failed, on inputs of which shapes, and the size that it should have been told, if that is it.

    `Linear(in_features=32, out_features=10, bias=True) fails on [16, 64], for which in_features = 64 would be right`.
    """
    name = type(module).__name__.removeprefix("Lazy")  # which is what makes a layer whose size of inputs is not given
    told = name if list(module.children()) else f"{name}({_settings_in(module)})"
    first: Any = next((x for x in _parts(inputs) if hasattr(x, "shape")), None)
    for setting, axis in SIZES.items() if first is not None else ():
        size = getattr(module, setting, None)
        if isinstance(size, int) and first.dim() in _axes(module, setting) and first.shape[axis] != size:
            return f"{told} fails on {shape_words(inputs)}, for which {setting} = {first.shape[axis]} would be right"
    flat = first is not None and name.endswith("2d") and first.dim() == 2
    why = ", which are flat: a layer Unflatten before it, or data.flat = false, makes images of them" if flat else ""
    return f"{told} fails on {shape_words(inputs)}{why}"


def _settings_in(module: Any) -> str:
    """Return the settings of a layer, without the size of its inputs where it is still to be found."""
    told: str = module.extra_repr()
    return re.sub(r"^(\w+=)?0, ", "", told) if hasattr(module, "initialize_parameters") else told


def _axes(module: Any, setting: str) -> tuple[int, ...]:
    """Return how many axes the inputs of a layer may have where a setting says the size of one of them."""
    kernel = getattr(module, "kernel_size", None)
    return (len(kernel) + 2,) if setting == "in_channels" and isinstance(kernel, tuple) else (2, 3, 4, 5)


def shape_words(tensors: Any) -> str:
    """Return the shapes of a tensor, or of those in a tuple, a list or a dictionary."""
    return " and ".join(str([*part.shape]) for part in _parts(tensors) if hasattr(part, "shape"))


def _parts(tensors: Any) -> list[Any]:
    if isinstance(tensors, dict):
        return list(tensors.values())
    return list(tensors) if isinstance(tensors, tuple | list) else [tensors]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
