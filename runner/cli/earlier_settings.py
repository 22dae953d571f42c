"""Tells when the tables and the report of a folder are about to be replaced by those of other `--set` options."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

SET = "# --set "  # how `spec.toml` of a folder begins, a line for each
NEUTRAL = ("run.timeout=",)  # what changes no result


def what_is_replaced(folder: Path, sets: Iterable[str]) -> str:
    """Return what the tables of a folder were made with, where that are other settings than these; else nothing."""
    earlier = _settings_of(folder)
    now = _telling(sets)
    if earlier is None or sorted(earlier) == sorted(now):
        return ""
    were = f"--set {' --set '.join(earlier)}" if earlier else "the spec without --set"
    return (
        f"replaces the tables and the report in {folder}, which are of {were}; its runs are kept. -o FOLDER keeps both"
    )


def _settings_of(folder: Path) -> list[str] | None:
    """Return the `--set` texts of which a folder has tables, or None where it has none."""
    if not (folder / "results.csv").is_file():
        return None
    try:
        lines = (folder / "spec.toml").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return _telling(line.removeprefix(SET) for line in takewhile(lambda line: line.startswith(SET), lines))


def _telling(sets: Iterable[str]) -> list[str]:
    return [text for text in sets if not text.startswith(NEUTRAL)]
