"""A part of a page that cannot be made costs itself, and is told."""

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from support.folders import Case
from xprun.reports import ReportError, write_report
from xprun.reports.sections.blocks import Section
from xprun.reports.sections.guarded_sections import all_made

Make = Callable[..., Path]


@pytest.mark.may_lack_parts
@pytest.mark.parametrize("error", [ValueError("Axis limits cannot be NaN or Inf"), OverflowError(), MemoryError()])
def test_the_rest_of_the_page_stands(
    make_folder: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def curve_figure(*given: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(import_module("xprun.reports.sections.curves_section"), "curve_figure", curve_figure)
    folder = make_folder([Case("SGD", 0.1, [0.9, 0.8]), Case("Adam", 0.1, [0.8, 0.7])])
    with caplog.at_level(logging.WARNING, "xprun"):
        write_report(folder, ("md",))
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert f"This part could not be made: {type(error).__name__}: {error}".strip() in page
    assert "## Ranking" in page
    assert "a part of the report is missing: curves" in caplog.text


def test_tables_that_lack_something_are_no_missing_part() -> None:
    def lacking_section() -> Section:
        raise ReportError("results.csv: no column 'run'")

    with pytest.raises(ReportError, match="no column"):
        all_made([lacking_section])
