"""Output folders as the first version wrote them, without pages, pictures and machine facts."""

from __future__ import annotations

import shutil
from pathlib import Path

SCHEMA_1 = Path(__file__).parents[1] / "fixtures" / "schema_1"
NAMES = sorted(path.name for path in SCHEMA_1.iterdir())


def copy_of(name: str, into: Path) -> Path:
    """Return a copy of a folder of the first version, which a test may write."""
    return Path(shutil.copytree(SCHEMA_1 / name, into / name))
