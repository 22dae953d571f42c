"""What a run has written about itself as a list in JSON, and may be absent or of somebody else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def read_described(path: Path, described: Callable[[dict[str, Any]], T]) -> list[T]:
    """What a file describes; nothing where it is absent, or holds something else, for which `described` raises."""
    try:
        return [described(one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        return []
