"""Every alternative against the baseline."""

from itertools import count

import pandas as pd
from xprun.reports.presentation.formatting import counted
from xprun.reports.sections.blocks import Grid, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.paired_over_seeds import LEVEL, SEEDS_NEEDED
from xprun.reports.text.comparison_tables import baseline_listing

CAPTION = "Difference from the baseline, seed by seed, each at its best setting"


def baseline_section(analysis: Analysis) -> Section:
    """Differences from the baseline, with intervals and tests; empty without a baseline."""
    listing = baseline_listing(analysis.judged, analysis.ranking, analysis.comparison)
    caption = CAPTION + _too_few(analysis.ranking)
    return Section(
        "baseline", f"Against {analysis.comparison.baseline}", [Grid(listing, caption)] if listing.rows else []
    )


def _too_few(ranking: pd.DataFrame) -> str:
    """Return how many seeds it takes to find any difference, where there are fewer; Holm's first step decides."""
    n, comparisons = int(ranking["runs"].max()), len(ranking) - 1
    needed = next(k for k in count(SEEDS_NEEDED) if comparisons * 2.0 ** (1 - k) < LEVEL)
    if n >= needed:
        return ""
    several = f"{comparisons} comparisons" if comparisons > 1 else "a comparison"
    return f"; {counted(n, 'seed')} cannot show a difference in {several}, run at least {needed}"
