"""Dots with intervals: the final values of every seed, and how far they leave the mean open."""

import numpy as np
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
DOT = 0.012  # of the range of all dots, in which two lie on one place
ASIDE = 0.26  # rows off the middle that dots stand at most
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
    axes.set_title(shorten(title, 60), loc="right")  # it has the room over the names, too
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    if spans_decades(judged[VALUE], DECADES):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        plain_ticks(axes.xaxis)
    facts = ranking.set_index("alternative")
    size = DOT * float(judged[VALUE].max() - judged[VALUE].min()) if axes.get_xscale() == "linear" else 0.0
    for row, name in enumerate(names):
        runs = judged[judged["alternative"] == name]
        _row(axes, row, runs, facts.loc[name], strokes[name], worst_low=worst_low, size=size)
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


def beside(values: np.ndarray, size: float) -> np.ndarray:
    """How far off the middle, from -1 to 1, dots stand of which several would lie on one place.

    `size`: of a dot. Those within one stand one above the other, in steps as large as all of them allow.
    """
    order = np.argsort(values, kind="stable")
    places = np.zeros(len(values))
    groups = np.split(order, np.flatnonzero(np.diff(values[order]) > size) + 1) if len(order) else []
    most = max(map(len, groups), default=1)
    for group in groups:
        places[group] = (np.arange(len(group)) - (len(group) - 1) / 2) / max(1.5, (most - 1) / 2)
    return places


def _row(
    axes: Axes, row: int, runs: pd.DataFrame, facts: pd.Series, stroke: Stroke, *, worst_low: bool, size: float
) -> None:
    well = runs[~runs["bad"]]
    axes.plot([facts["mean_low"], facts["mean_high"]], [row, row], color=stroke.colour, alpha=0.3, linewidth=7)
    heights = row + ASIDE * beside(well[VALUE].to_numpy(dtype="float64"), size)
    axes.plot(well[VALUE], heights, stroke.marker, color=stroke.colour, markersize=4.5, alpha=0.85)
    axes.plot([facts["mean"]] * 2, [row - 0.28, row + 0.28], color=INK, linewidth=1.6)
    if len(well) < len(runs):
        edge = 0.012 if worst_low else 0.988
        axes.plot([edge], [row], "x", color=stroke.colour, transform=axes.get_yaxis_transform(), markeredgewidth=1.8)
