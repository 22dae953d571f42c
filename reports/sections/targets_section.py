"""How fast the alternatives reach the target."""

from functools import partial

import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.figures.line_plots import share_figure
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import Column, Listing, exact, listed, listing, numbers, texts, value_text
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Gallery, Grid, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.steps_to_target import reached_shares, steps_to_target, time_to_target
from xprun.runner.results.results_schema import SECONDS, STEPS


def targets_section(analysis: Analysis) -> Section:
    """Steps, and seconds where they mean something, until the target is reached; empty without a target."""
    comparison = analysis.comparison
    table = target_listing(analysis.tables.history, analysis.finals, analysis.ranking, comparison)
    until = f"Until {comparison.aim[0]} reaches {comparison.target}, each alternative{analysis.at_best}"
    caption = f"{until}; {comparison.how_timed}"
    if not table.rows:
        return Section("target", "Time to target", [])
    plots = [] if analysis.is_one_of_many else [Gallery([draw(_plot(analysis), analysis)])]
    return Section("target", "Time to target", [Grid(table, caption), *plots])


def _plot(analysis: Analysis) -> Plot:
    history, comparison, runs = analysis.tables.history, analysis.comparison, analysis.best
    table = reached_shares(history, runs, comparison)
    medians = steps_to_target(history, runs, comparison).groupby(runs["alternative"]).median()
    title = f"runs that have reached {comparison.aim[0]} {value_text(comparison.target)}"
    return Plot(
        name="target",
        title=title,
        caption=(
            f"The share of {title} by a given step, each alternative{analysis.at_best}. A run that fails, diverges "
            f"or never reaches the target counts as not reached; {comparison.how_timed}.{analysis.omitted}"
        ),
        alt="Median steps: " + listed([f"{name} {value_text(medians[name])}" for name in analysis.shown], SHOWN),
        figures={"": partial(share_figure, table, analysis.style, title, "step")},
        alternatives=table["alternative"],
    )


def target_listing(
    history: pd.DataFrame, judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison
) -> Listing:
    """One row an alternative at its best setting: how many of its runs reach the target, and how fast."""
    if comparison.target is None:
        return listing([])
    table = time_to_target(history, judged, comparison).loc[ranking.index]
    reached = [f"{n} of {runs}" for n, runs in zip(table["reached"], ranking["runs"], strict=True)]
    columns = [
        texts("alternative", ranking["alternative"]),
        Column("runs that reach the target", reached, number=True),
        exact("median steps", table[STEPS]),
        *([numbers("median seconds", table[SECONDS], digits=3)] if table[SECONDS].notna().any() else []),
    ]
    return listing(columns)
