"""How fast the alternatives reach the target."""

from xprun.reports.evidence import target_listing
from xprun.reports.parts import Grid, Section
from xprun.reports.study import Study


def targets_section(study: Study) -> Section:
    """Steps, and seconds where they mean something, until the target is reached; empty without a target."""
    comparison = study.comparison
    listing = target_listing(study.tables.history, study.judged, study.ranking, comparison)
    caption = f"Until {comparison.metric} reaches {comparison.target}, each alternative at its best setting"
    return Section("target", "Time to target", [Grid(listing, caption)] if listing.rows else [])
