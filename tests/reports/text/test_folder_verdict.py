"""The command line begins as the page does: with the short sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.folders import Case
from xprun.reports import conclusion, verdict
from xprun.reports.data.results_folder import read_results
from xprun.reports.stats.analysis import make_analysis
from xprun.reports.text.conclusion import conclude


def test_the_sentence_of_the_page_comes_first_and_then_the_numbers(make_folder: Callable[..., Path]) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9, 0.8, 0.85]), Case("Adam", 0.1, [0.8, 0.9, 0.86])])
    first, second = conclusion(folder).split("\n")
    found = conclude(make_analysis(read_results(folder)))
    assert first.lower() == f"{found.badge}: {found.sentence}".lower()
    assert len(first.split()) <= 28
    assert verdict(folder).endswith(second)
    assert "has the best mean" in second
