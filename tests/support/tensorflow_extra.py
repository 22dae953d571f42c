"""Tests that need the extra `tensorflow`: they train in processes of their own, and are skipped where it is absent."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.commands import xprun

NEEDS_TENSORFLOW = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="tensorflow is not installed: pip install 'xprun[tensorflow]'"
)
PATIENCE = 900.0  # seconds; on a busy machine the import alone takes a minute


def trained(spec: str, folder: Path, *more: str) -> list[dict[str, str]]:
    """Train a spec in a worker; return the rows of its results."""
    (folder / "spec.toml").write_text(spec, encoding="utf-8")
    done = xprun("spec.toml", "-o", "out", *more, folder=folder, jobs=1, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return rows(folder / "out/results.csv")


def rows(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))
