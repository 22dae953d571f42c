"""Synthetic output folders: small tables with known answers."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case, Parts, write_folder
from xprun.reports.data.results_folder import read_tables
from xprun.reports.stats.analysis import Analysis, make_analysis


@pytest.fixture(autouse=True)
def complete_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a page lacks a part, unless it is about that (`may_lack_parts`)."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("xprun")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if request.node.get_closest_marker("may_lack_parts") is None:
        assert not [text for text in found if text.startswith("a part of the report is missing")]


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes an output folder from cases: `make_folder([Case("SGD", 0.1, [0.9, 0.8])])`."""

    def make(cases: list[Case], **options: Any) -> Path:
        return write_folder(tmp_path / options.pop("name", "demo"), cases, **options)

    return make


@pytest.fixture
def analysis(make_folder: Callable[..., Path]) -> Callable[..., Analysis]:
    """What a report makes of some cases."""

    def make(*cases: Case, **options: Any) -> Analysis:
        return make_analysis(read_tables(make_folder(list(cases), **options)))

    return make


@pytest.fixture
def parts(analysis: Callable[..., Analysis]) -> Callable[..., Parts]:
    """Comparison, judged runs, summary and ranking of some cases."""

    def make(*cases: Case, **options: Any) -> Parts:
        found = analysis(*cases, **options)
        return found.comparison, found.judged, found.summary, found.ranking

    return make
