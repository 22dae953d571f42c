"""For tests of mixed precision, which some machines cannot do: their processor says it can, and ends the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import pytest

PRODUCT = "import torch; a = torch.ones(64, 64, dtype=torch.bfloat16); print(float((a @ a).sum()))"


@cache
def multiplies_bfloat16() -> bool:
    return subprocess.run([sys.executable, "-c", PRODUCT], capture_output=True, check=False).returncode == 0


def needs_bfloat16(test: Callable[..., None]) -> Callable[..., None]:
    """Skip a test where products in bfloat16 cannot be computed, which is tried in another process."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        if not multiplies_bfloat16():
            pytest.skip("this machine cannot multiply in bfloat16")
        test(*args, **kwargs)

    return run
