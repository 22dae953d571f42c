"""What tiny models have learnt, as numbers."""

from xprun.reports.sections.blocks import Grid, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.text.report_tables import parameter_listing

CAPTION = "Mean and sd over the seeds, each alternative at its best setting"


def parameters_section(analysis: Analysis) -> Section:
    """The final parameters; empty where models have many."""
    listing = parameter_listing(analysis.judged, analysis.ranking, analysis.comparison)
    return Section("parameters", "Final parameters", [Grid(listing, CAPTION)] if listing.rows else [])
