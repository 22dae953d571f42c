"""Captions speak of a best setting only where an alternative had several to choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.folders import Case
from xprun.reports.sections.curves_section import curves_section
from xprun.reports.sections.ranking_section import ranking_section
from xprun.reports.stats.analysis import Analysis

ONE = [Case("SGD", 0.1, [0.9, 0.8]), Case("Adam", 0.1, [0.5, 0.6])]


@pytest.mark.parametrize("section", [ranking_section, curves_section])
@pytest.mark.parametrize(("more", "spoken_of"), [([], False), ([Case("Adam", 0.2, [0.3, 0.4])], True)])
def test_a_best_setting(
    analysis: Callable[..., Analysis], section: Callable[[Analysis], Any], more: list[Case], spoken_of: bool
) -> None:
    told = repr(section(analysis(*ONE, *more)))
    assert ("lternative at its best setting" in told.replace(" (a labelled optimizer)", "")) is spoken_of
