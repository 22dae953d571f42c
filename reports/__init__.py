"""Turns the tables of an output folder into pages that people read: `report.html`, `report.md` and its plots."""

from pathlib import Path

from xprun.reports.errors import ReportError

__all__ = ["ReportError", "verdict", "write_report"]


def write_report(folder: Path) -> list[Path]:
    """The paths written into `folder`: the plots, `report.md` and `report.html`.

    Raises `ReportError` where a table is missing or lacks a column. pandas and matplotlib load here, not on import.
    """
    from xprun.reports.write import write_report

    return write_report(folder)


def verdict(folder: Path) -> str:
    """What came out best in `folder`, in a sentence or two: the first words of its report. Reads no history."""
    from xprun.reports.page import read_verdict

    return read_verdict(folder)
