"""The critical-difference diagram: mean ranks on a line, and bars over those that cannot be told apart."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import INK, Stroke

WIDTH = 5.6
ROW = 0.27  # inches for a name
BAR = 0.45  # rows between two bars


def rank_figure(means: pd.Series, bars: list[tuple[int, int]], strokes: dict[str, Stroke], title: str) -> Figure:
    """Mean ranks by alternative, best first; names on both sides. `bars`: the stretches that cannot be told apart.

    Demsar, Statistical comparisons of classifiers over multiple data sets (2006), section 3.2.4.
    """
    k = len(means)
    top = 1.2 + BAR * len(bars)
    rows = top + -(-k // 2) + 1.6
    figure = Figure(figsize=(WIDTH, rows * ROW + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(shorten(title, 60))
    axes.set_axis_off()
    axes.set_xlim(1 - 0.72 * (k - 1), k + 0.72 * (k - 1))
    axes.set_ylim(top + -(-k // 2), -1.6)
    _scale(axes, k)
    for i, (name, rank) in enumerate(means.items()):
        _stem(axes, str(name), rank, i, k, top, strokes.get(str(name)))
    for level, (first, last) in enumerate(bars):
        y = 0.7 + BAR * level
        axes.plot([means.iloc[first] - 0.03, means.iloc[last] + 0.03], [y, y], color=INK, linewidth=3.2)
    return figure


def _scale(axes: Axes, k: int) -> None:
    axes.plot([1, k], [0, 0], color=INK, linewidth=1)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, -0.18], color=INK, linewidth=1)
        axes.text(tick, -0.3, str(tick), ha="center", va="bottom", fontsize=8)


def _stem(axes: Axes, name: str, rank: float, i: int, k: int, top: float, stroke: Stroke | None) -> None:
    """From the scale down, and out to the name: the better half to the left."""
    left = i < -(-k // 2)
    y = top + (i if left else k - 1 - i)
    end = 1 - 0.06 * (k - 1) if left else k + 0.06 * (k - 1)
    colour, dashes = (stroke.colour, stroke.dashes) if stroke else (INK, ())
    (line,) = axes.plot([rank, rank, end], [0, y, y], color=colour, linewidth=1.4)
    if dashes:
        line.set_dashes(dashes)
    label = f"{shorten(name, 24)} {rank:.2f}" if left else f"{rank:.2f} {shorten(name, 24)}"
    beyond = -0.03 * (k - 1) if left else 0.03 * (k - 1)
    axes.text(end + beyond, y, label, ha="right" if left else "left", va="center", fontsize=8.5)
