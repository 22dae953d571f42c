"""A spec that a program holds as a dictionary, written as the TOML that a person would write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import tomli_w


def toml_of(data: Mapping[str, Any]) -> str:
    """Return a dictionary as TOML; arrays and numbers of numpy and torch become lists and numbers.

    Raises TypeError, naming the dotted key, for a value that TOML does not have.
    """
    return tomli_w.dumps({str(key): _plain(value, str(key)) for key, value in data.items()})


def toml_value(value: Any, key: str = "the value") -> str:
    """Return one value as it stands behind the equals sign; raise TypeError as `toml_of` does."""
    text = tomli_w.dumps({"x": [[_plain(value, key)]]})  # inside two lists a table is written inline
    return text.split("[", 2)[2].rpartition("]")[0].rpartition("]")[0].strip().rstrip(",")


def _plain(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, f"{key}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(inner, f"{key}[{i}]") for i, inner in enumerate(value)]
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), key)
    help_text = "; leave it out" if value is None else ""
    raise TypeError(f"{key}: a spec cannot hold {value!r}{help_text}")
