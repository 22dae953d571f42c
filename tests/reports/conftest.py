"""Synthetic output folders: small tables with known answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import Analysis, Case, write_folder
from xprun.reports.data.compared import read_comparison
from xprun.reports.data.results_folder import read_tables
from xprun.reports.stats.ranking import judge, rank, summarise


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes an output folder from cases: `make_folder([Case("SGD", 0.1, [0.9, 0.8])])`."""

    def make(cases: list[Case], **options: Any) -> Path:
        return write_folder(tmp_path / options.pop("name", "demo"), cases, **options)

    return make


@pytest.fixture
def analysis(make_folder: Callable[..., Path]) -> Callable[..., Analysis]:
    """Comparison, judged runs, summary and ranking of some cases."""

    def make(*cases: Case, **options: Any) -> Analysis:
        tables = read_tables(make_folder(list(cases), **options))
        comparison = read_comparison(tables)
        judged = judge(tables.runs, comparison)
        summary = summarise(judged, comparison)
        return comparison, judged, summary, rank(summary)

    return make
