"""The specs that come with xprun, found by their bare names."""

from __future__ import annotations

import os
from pathlib import Path


def shipped_specs() -> dict[str, Path]:
    """Return the shipped specs by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.parent.glob("*.toml"))}


def find_spec(path: Path) -> Path:
    """Return the path itself, or the shipped spec of that bare name where there is no such file."""
    bare = len(path.parts) == 1 and not path.suffix
    is_there = os.path.exists(path)  # noqa: PTH110 - it is False, and no error, for a name that no file can have
    return shipped_specs().get(path.name, path) if bare and not is_there else path
