"""Every alternative against the baseline."""

from xprun.reports.sections.blocks import Grid, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.text.comparison_tables import baseline_listing

CAPTION = "Each alternative less the baseline, seed by seed, both at their best settings"


def baseline_section(analysis: Analysis) -> Section:
    """Differences from the baseline, with intervals and tests; empty without a baseline."""
    listing = baseline_listing(analysis.judged, analysis.ranking, analysis.comparison)
    return Section(
        "baseline", f"Against {analysis.comparison.baseline}", [Grid(listing, CAPTION)] if listing.rows else []
    )
