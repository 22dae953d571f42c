"""What tiny models have learnt, as numbers."""

from xprun.reports.listings import parameter_listing
from xprun.reports.parts import Grid, Section
from xprun.reports.study import Study

CAPTION = "Mean and sd over the seeds, each alternative at its best setting"


def parameters_section(study: Study) -> Section:
    """The final parameters; empty where models have many."""
    listing = parameter_listing(study.judged, study.ranking)
    return Section("parameters", "Final parameters", [Grid(listing, CAPTION)] if listing.rows else [])
