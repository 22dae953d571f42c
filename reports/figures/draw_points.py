"""Settings that were varied together: a point each, coloured by another setting of the same draw."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from xprun.reports.figures.axes import draw_as_shapes, drawable, plain_ticks, scale_settings, spans_decades, use_log
from xprun.reports.presentation.formatting import is_number, shorten, value_text
from xprun.reports.presentation.style import COLOURS, INK

SIZE = (5.6, 3.4)
PANELS = 3
DECADES = 2.0
DOT: Any = {"s": 34, "edgecolors": INK, "linewidths": 0.5}


def draws_figure(tables: dict[str, pd.DataFrame], key: str, colour: str, title: str) -> Figure:
    """One panel an alternative, all on one scale: a point for each setting, its `mean` against `key`.

    `tables`: rows of `summarise` with a mean, by alternative. The colour is the value of the setting `colour`.
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = list(figure.subplots(1, len(tables), squeeze=False, sharex=True, sharey=True)[0])
    tables = {name: drawable(table) for name, table in tables.items()}
    rows = pd.concat(tables.values())
    colours = _scale(figure, panels, rows, colour) if is_number(rows[colour]) else _legend(figure, rows[colour])
    if spans_decades(rows["mean"], DECADES):
        use_log(panels[0])
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        axes.scatter(table[key], table["mean"], c=colours(table[colour]), **DOT)
        scale_settings(axes, rows[key])
        axes.set_xlabel(shorten(key, 60 // len(tables)))
        axes.set_title(shorten(name, 72 // len(tables)), fontsize=9)
    figure.suptitle(shorten(title, 60), x=0.02, ha="left", fontsize=11, fontweight="bold")
    return figure


def described_draws(tables: dict[str, pd.DataFrame], key: str, colour: str, *, ascending: bool) -> list[str]:
    """The best point of each alternative, in words."""
    best = {name: table.sort_values("mean", ascending=ascending).iloc[0] for name, table in tables.items()}
    return [
        f"{name} {value_text(row['mean'])} at {value_text(row[key])} with {colour} {_text(row[colour])}"
        for name, row in best.items()
    ]


def _scale(figure: Figure, panels: list[Axes], rows: pd.DataFrame, colour: str) -> Any:
    """Return the colours of numbers, and draw the bar that tells them."""
    scale = ScalarMappable((LogNorm if spans_decades(rows[colour], 1.0) else Normalize)(), "viridis")
    scale.set_clim(rows[colour].min(), rows[colour].max())
    bar = figure.colorbar(scale, ax=panels, label=shorten(colour))
    plain_ticks(bar.ax.yaxis)
    draw_as_shapes(bar)
    return scale.to_rgba


def _legend(figure: Figure, values: pd.Series) -> Any:
    """Return the colours of words, and draw the legend that tells them."""
    words = [_text(value) for value in values.unique()]
    known = {word: COLOURS[i % len(COLOURS)] for i, word in enumerate(words)}
    dots = [Line2D([], [], color=known[word], marker="o", linestyle="", label=shorten(word)) for word in words]
    figure.legend(handles=dots, loc="outside lower left", ncols=4, title=shorten(str(values.name)))
    return lambda some: [known[_text(value)] for value in some]


def _text(value: Any) -> str:
    return value_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
