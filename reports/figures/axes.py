"""The ground on which plots are drawn: axes with a legend, and their scales. No display, no global state."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from xprun.reports.presentation.formatting import shorten, value_text
from xprun.reports.presentation.style import Stroke

WIDTH = 5.6
HEIGHT = 3.4
LEGEND_ROW = 0.2
FARTHEST = 1e150  # from zero that a point is drawn: margins and ticks beyond 300 decades are still numbers


def canvas(strokes: dict[str, Stroke], title: str, xlabel: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, and below it a legend of these strokes."""
    columns = 1 if not strokes else max(1, min(4, 58 // (max(len(shorten(name)) for name in strokes) + 8)))
    rows = -(-len(strokes) // columns)
    figure = Figure(figsize=(WIDTH, HEIGHT + LEGEND_ROW * rows), layout="constrained")
    axes = figure.subplots()
    axes.set_title(shorten(title, 60))
    axes.set_xlabel(xlabel)
    axes.grid(visible=False, axis="x")
    axes.margins(x=0.03)
    handles = [_handle(name, stroke) for name, stroke in strokes.items()]
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=columns)
    return figure, axes


def _handle(name: str, stroke: Stroke) -> Line2D:
    label = shorten(name)
    label = f" {label}" if label.startswith("_") else label  # matplotlib hides labels that start with _
    return Line2D([], [], color=stroke.colour, linestyle=(0, stroke.dashes) if stroke.dashes else "-", label=label)


def present(strokes: dict[str, Stroke], table: pd.DataFrame) -> dict[str, Stroke]:
    """The strokes of the alternatives that are in a table."""
    found = set(table["alternative"])
    return {name: stroke for name, stroke in strokes.items() if name in found}


def drawable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its numbers as far as axes go, and gaps for those that are infinite.

    Margins and ticks are computed as floats: beyond, they are none. A tiny number keeps its sign.
    """
    numbers = [str(name) for name, kind in table.dtypes.items() if kind == "float64"]
    return table.assign(**{name: _as_far_as_axes_go(table[name].to_numpy()) for name in numbers})


def _as_far_as_axes_go(values: np.ndarray) -> np.ndarray:
    sizes = np.where(values == 0, 0.0, np.abs(values).clip(1 / FARTHEST, FARTHEST))
    return np.where(np.isfinite(values), np.copysign(sizes, values), np.nan)


def use_log(axes: Axes) -> None:
    """Decades on the y axis, with plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    plain_ticks(axes.yaxis)


def scale_settings(axes: Axes, values: pd.Series) -> None:
    """Decades for settings that span more than one; with a place for 0 where it was tried."""
    if spans_decades(values, 1.0):
        zero = {"linthresh": values[values > 0].min()} if (values == 0).any() else {}
        axes.set_xscale("symlog" if zero else "log", **zero)
        plain_ticks(axes.xaxis)
    elif pd.api.types.is_integer_dtype(values):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def spans_decades(values: pd.Series, decades: float) -> bool:
    """Whether values, none of them negative, span more than a number of decades."""
    positive = values[values > 0]
    return bool(len(positive) and (values.dropna() >= 0).all() and positive.max() > positive.min() * 10**decades)


def plain_ticks(axis: Axis) -> None:
    """Numbers as tables have them, at the major ticks only."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value)))
    axis.set_minor_formatter(NullFormatter())


def draw_as_shapes(bar: Any) -> None:
    """Draw a bar of colours as shapes: a page's policy forbids images, and edges close the gaps between them."""
    bar.solids.set(rasterized=False, edgecolor="face")
