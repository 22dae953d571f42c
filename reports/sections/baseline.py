"""Every alternative against the baseline."""

from xprun.reports.evidence import baseline_listing
from xprun.reports.parts import Grid, Section
from xprun.reports.study import Study

CAPTION = "Each alternative less the baseline, seed by seed, both at their best settings"


def baseline_section(study: Study) -> Section:
    """Differences from the baseline, with intervals and tests; empty without a baseline."""
    listing = baseline_listing(study.judged, study.ranking, study.comparison)
    return Section("baseline", f"Against {study.comparison.baseline}", [Grid(listing, CAPTION)] if listing.rows else [])
