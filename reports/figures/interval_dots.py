"""Dots with intervals: the final values of every seed, and how far they leave the mean open."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from xprun.reports.figures.axes import WIDTH, drawable, plain_ticks, spans_decades
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import INK, Stroke
from xprun.runner.results.results_schema import VALUE

ROW = 0.3  # inches for an alternative
DECADES = 2.0
BEYOND = 0.6  # of the range of all dots: how far an interval is shown over it


def dots_figure(
    judged: pd.DataFrame, ranking: pd.DataFrame, strokes: dict[str, Stroke], title: str, worst_low: bool
) -> Figure:
    """One row an alternative, as in `ranking`: a dot for each run in `judged`, the mean, and its 95% interval.

    A run that failed or diverged is a cross at the worst edge, which is the left one where `worst_low`.
    """
    names = [name for name in ranking["alternative"] if name in strokes]
    judged, ranking = drawable(judged), drawable(ranking)
    figure = Figure(figsize=(WIDTH, 0.9 + ROW * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.set_title(shorten(title, 60))
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    if spans_decades(judged[VALUE], DECADES):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        plain_ticks(axes.xaxis)
    facts = ranking.set_index("alternative")
    for row, name in enumerate(names):
        _row(axes, row, judged[judged["alternative"] == name], facts.loc[name], strokes[name], worst_low)
    axes.set_yticks(range(len(names)), [shorten(name, 28) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    _keep_to_the_dots(axes, judged[VALUE])
    if judged[VALUE].isna().all():
        axes.set_xticks([])
    return figure


def _keep_to_the_dots(axes: Axes, values: pd.Series) -> None:
    """Let an interval of two or three values, which may be very wide, end at the edge of the plot."""
    low, high = values.min(), values.max()
    if high > low and axes.get_xscale() == "linear":
        shown, room = axes.get_xlim(), BEYOND * (high - low)
        axes.set_xlim(max(shown[0], low - room), min(shown[1], high + room))


def _row(axes: Axes, row: int, runs: pd.DataFrame, facts: pd.Series, stroke: Stroke, worst_low: bool) -> None:
    well = runs[~runs["bad"]]
    axes.plot([facts["mean_low"], facts["mean_high"]], [row, row], color=stroke.colour, alpha=0.3, linewidth=7)
    axes.plot(well[VALUE], [row] * len(well), stroke.marker, color=stroke.colour, markersize=4.5, alpha=0.85)
    axes.plot([facts["mean"]] * 2, [row - 0.28, row + 0.28], color=INK, linewidth=1.6)
    if len(well) < len(runs):
        edge = 0.012 if worst_low else 0.988
        axes.plot([edge], [row], "x", color=stroke.colour, transform=axes.get_yaxis_transform(), markeredgewidth=1.8)
