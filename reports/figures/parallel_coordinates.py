"""Parallel coordinates: sweeps of several settings at once, a line for each setting tried."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xprun.reports.figures.axes import WIDTH, drawable, spans_decades
from xprun.reports.presentation.formatting import shorten, value_text
from xprun.reports.presentation.style import COLOURS, INK

HEIGHT = 3.4
TICKS = 4  # numbers along an axis
FAINTEST = 0.15  # opacity of the worst line


def parallel_figure(table: pd.DataFrame, keys: list[str], title: str, measure: str, *, ascending: bool) -> Figure:
    """An axis for each setting of `keys` and one for the `mean`: the better, the stronger, and the best in orange.

    `table`: rows of `summarise` with a mean, best first. An axis of values over more than a decade is logarithmic.
    """
    columns = [*keys, "mean"]
    rows = drawable(table[columns].astype("float64")).dropna()
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.set_title(shorten(title, 60))
    axes.set_axis_off()
    axes.set(xlim=(-0.35, len(columns) - 0.65), ylim=(-0.16, 1.1))
    heights = np.column_stack([_draw_axis(axes, i, rows[name]) for i, name in enumerate(columns)])
    worth = _ranks(rows["mean"].to_numpy(), ascending=ascending)
    for line in np.argsort(worth):  # the best on top
        share = worth[line]
        if share == 1:
            axes.plot(heights[line], color=COLOURS[1], linewidth=2.2)
        else:
            axes.plot(heights[line], color=COLOURS[0], linewidth=0.9, alpha=FAINTEST + share * (1 - FAINTEST))
    for i, name in enumerate([*keys, measure]):
        axes.text(i, -0.09, shorten(name, 20), ha="center", va="top", fontsize=8.5)
    return figure


def _draw_axis(axes: Axes, place: int, values: pd.Series) -> np.ndarray:
    """An axis at a place, with its numbers; how high on it, from 0 to 1, each of the values lies."""
    log = spans_decades(values, 1.0) and bool((values > 0).all())
    scaled = np.log10(values.to_numpy()) if log else values.to_numpy()
    low, high = float(scaled.min()), float(scaled.max())
    size = (high - low) or 1.0
    axes.plot([place, place], [0, 1], color=INK, linewidth=0.8)
    for tick in np.linspace(low, high, TICKS) if high > low else [low]:
        told = value_text(float(f"{10**tick if log else tick:.2g}"))
        axes.text(place - 0.04, (tick - low) / size, told, ha="right", va="center", fontsize=7.5)
    return np.asarray((scaled - low) / size)


def _ranks(means: np.ndarray, *, ascending: bool) -> np.ndarray:
    """From 0 for the worst to 1 for the best; equals share theirs."""
    ranks = pd.Series(means).rank(method="min", ascending=not ascending) - 1
    return (ranks / max(1.0, ranks.max())).to_numpy()
