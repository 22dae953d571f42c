"""How fast the alternatives reach the target."""

from xprun.reports.cells import listed, value_text
from xprun.reports.drawing import Plot, draw
from xprun.reports.evidence import target_listing
from xprun.reports.look import SHOWN
from xprun.reports.parts import Gallery, Grid, Section
from xprun.reports.plots import share_figure
from xprun.reports.study import Study
from xprun.reports.targets import reached_shares, steps_to_target


def targets_section(study: Study) -> Section:
    """Steps, and seconds where they mean something, until the target is reached; empty without a target."""
    comparison = study.comparison
    listing = target_listing(study.tables.history, study.judged, study.ranking, comparison)
    caption = f"Until {comparison.metric} reaches {comparison.target}, each alternative at its best setting"
    if not listing.rows:
        return Section("target", "Time to target", [])
    return Section("target", "Time to target", [Grid(listing, caption), Gallery([draw(_plot(study), study)])])


def _plot(study: Study) -> Plot:
    history, comparison, runs = study.tables.history, study.comparison, study.best
    table = reached_shares(history, runs, comparison)
    medians = steps_to_target(history, runs, comparison).groupby(runs["alternative"]).median()
    title = f"runs that have reached {comparison.metric} {value_text(comparison.target)}"
    return Plot(
        name="target",
        title=title,
        caption=(
            f"The share of the {title} by a step, each alternative at its best setting. A run that does not reach it, "
            f"or that does not end well, counts among all runs and never among those.{study.omitted}"
        ),
        alt="Median steps: " + listed([f"{name} {value_text(medians[name])}" for name in study.shown], SHOWN),
        figures={"": share_figure(table, study.style, title, "step")},
        alternatives=table["alternative"],
    )
