"""Plots: each maps a table to a figure. No display, no global state."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from xprun.reports.figures.axes import canvas, drawable, present, scale_settings, spans_decades, use_log
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import INK, Stroke
from xprun.runner.results.results_schema import STEP, VALUE

FEW = 8  # points of a line that are marked, since one alone would not be seen, nor a few near each other
DECADES = 2.0
MARKED = 20  # points of a line that have room for a marker each


def curve_figure(
    lines: pd.DataFrame,
    strokes: dict[str, Stroke],
    title: str,
    level: float | None = None,
    floor: float | None = None,
    *,
    lost: pd.DataFrame | None = None,
    log: bool | None = None,
) -> Figure:
    """One line and band an alternative over the steps. `lines`: see `curves`. `log`: the scale; None: what suits.

    `level`: a target to draw dotted, or None; `floor`: what is known in closed form, dashed unless it is far away;
    `lost`: where runs diverged, a cross each, see `divergences`. What stopped runs carry on is dotted.

    Lines without failed or diverged runs set the scale, if there are any: one that explodes must not flatten the rest.
    """
    strokes = present(strokes, lines)
    figure, axes = canvas(strokes, title, "step")
    lines = drawable(lines[lines["alternative"].isin(list(strokes))])
    calm, wild = lines[~lines["bad"]], lines[lines["bad"]]
    if suits_log(lines) if log is None else log:
        use_log(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _make_room(axes, lines[STEP], _setting_scale(lines))
    _draw(axes, _until_carried(calm), strokes, "step", markers=False)
    _draw_carried(axes, calm, strokes)
    scale = axes.get_ylim()
    _draw(axes, _until_carried(wild), strokes, "step", markers=False)
    _draw_carried(axes, wild, strokes)
    if len(calm):
        axes.set_ylim(scale)
    if lost is not None:
        _mark_lost(axes, drawable(lost), strokes)
    if level is not None:
        axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    if floor is not None:
        _draw_floor(axes, floor)
    return figure


def suits_log(lines: pd.DataFrame) -> bool:
    """Whether curves spread over more than two decades."""
    return spans_decades(_setting_scale(lines)["mean"], DECADES)


def allows_log(lines: pd.DataFrame) -> bool:
    """Whether curves have a logarithm."""
    return bool((_setting_scale(lines)[["mean", "low"]].dropna() > 0).all(axis=None))


def sensitivity_figure(
    points: pd.DataFrame, strokes: dict[str, Stroke], title: str, key: str, worst_low: bool
) -> Figure:
    """One line and band an alternative over the values of a setting. `points`: see `sensitivity`.

    A value with a bad run is a cross at the worst edge, which is the bottom where `worst_low`.
    """
    strokes = present(strokes, points)
    figure, axes = canvas(strokes, title, shorten(key))
    points = drawable(points[points["alternative"].isin(list(strokes))])
    well = points.dropna(subset=["mean"])
    if spans_decades(well["mean"], DECADES):
        use_log(axes)
    scale_settings(axes, points["x"])
    _make_room(axes, points["x"], well)
    _draw(axes, well, strokes, "x", markers=True)
    if well.empty:
        axes.set_yticks([])
    _crosses(axes, points[points["bad"] > 0], strokes, worst_low)
    return figure


def share_figure(
    table: pd.DataFrame, strokes: dict[str, Stroke], title: str, xlabel: str, *, decades: bool = True
) -> Figure:
    """One rising staircase an alternative, from none to all. `table`: see `shares`. `decades`: where they suit."""
    strokes, table = present(strokes, table), drawable(table)
    figure, axes = canvas(strokes, title, xlabel)
    for name, stroke in strokes.items():
        rows = table[table["alternative"] == name]
        (line,) = axes.plot(rows["x"], rows["share"], drawstyle="steps-post", color=stroke.colour, gid=stroke.group)
        if stroke.dashes:
            line.set_dashes(stroke.dashes)
    if decades:
        scale_settings(axes, table["x"])
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def tuning_figure(expected: pd.DataFrame, strokes: dict[str, Stroke], title: str) -> Figure:
    """One line an alternative over the number of settings tried. `expected`: see `expected_best`."""
    strokes = present(strokes, expected)
    figure, axes = canvas(strokes, title, "settings tried")
    points = expected[expected["alternative"].isin(list(strokes))].rename(columns={"expected": "mean"})
    points = drawable(points.assign(low=points["mean"], high=points["mean"]))
    well = points.dropna(subset=["mean"])
    if spans_decades(well["mean"], DECADES):
        use_log(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _make_room(axes, points["tried"], well)
    _draw(axes, points, strokes, "tried", markers=points["tried"].max() <= MARKED)
    return figure


def _until_carried(lines: pd.DataFrame) -> pd.DataFrame:
    return lines[~lines["carried"]]


def _draw_carried(axes: Axes, lines: pd.DataFrame, strokes: dict[str, Stroke]) -> None:
    """Dotted, from the last place at which all runs still trained, the lines that stopped runs carry on."""
    for name, rows in lines.groupby("alternative", sort=False):
        if rows["carried"].any():
            start = max(0, int(np.argmax(rows["carried"])) - 1)
            stroke, rest = strokes[str(name)], rows.iloc[start:]
            axes.plot(rest[STEP], rest["mean"], color=stroke.colour, linestyle=(0, (1, 1.6)), gid=stroke.group)


def _mark_lost(axes: Axes, lost: pd.DataFrame, strokes: dict[str, Stroke]) -> None:
    """A cross where a run diverged, at the edge of the plot where that lies outside."""
    low, high = axes.get_ylim()
    drawn = lost[lost["alternative"].isin(list(strokes))]
    for name, step, value in zip(drawn["alternative"], drawn[STEP], drawn[VALUE].clip(low, high), strict=True):
        (cross,) = axes.plot([step], [value], "x", color=strokes[name].colour, markersize=6, clip_on=False)
        cross.set(markeredgewidth=1.8, gid=strokes[name].group)
    axes.set_ylim(low, high)


def _draw_floor(axes: Axes, floor: float) -> None:
    """A dashed line, for which a logarithmic axis makes room within a few decades only."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log" and not low / 1e3 < floor < high * 1e3:
        return
    axes.axhline(floor, color=INK, linewidth=0.9, linestyle=(0, (6, 3)))
    margin = floor / 1.3 if axes.get_yscale() == "log" else floor - 0.03 * (high - low)
    axes.set_ylim(min(low, margin), high)


def _draw(axes: Axes, table: pd.DataFrame, strokes: dict[str, Stroke], x: str, *, markers: bool) -> None:
    """A band and a line an alternative, bands below all lines; with `markers` the ends of each interval, too."""
    table = table.dropna(subset=["mean"])
    for name, rows in table.groupby("alternative", sort=False):
        colour, group = strokes[str(name)].colour, strokes[str(name)].group
        axes.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=0.14, linewidth=0, gid=group)
        if markers:
            axes.vlines(rows[x], rows["low"], rows["high"], color=colour, alpha=0.5, linewidth=0.9, gid=group)
    for name, stroke in present(strokes, table).items():
        rows = table[table["alternative"] == name].sort_values(x, kind="stable")
        look: Any = {"color": stroke.colour, "linestyle": (0, stroke.dashes) if stroke.dashes else "-"}
        look["markeredgewidth"] = 0.75
        if len(rows) <= FEW:
            look |= {"marker": stroke.marker, "markersize": 4, "markeredgecolor": "none"}
        elif markers:
            look |= {"marker": stroke.marker, "markersize": 5.5, "markeredgecolor": "w"}
        axes.plot(rows[x], rows["mean"], gid=stroke.group, **look)


def _make_room(axes: Axes, x: pd.Series, table: pd.DataFrame) -> None:
    """Set the limits of an axis along which all is at one place: a single point has no extent of its own.

    Elsewhere, tell how far all lines extend before the first is drawn, which may be such a point.
    """
    y = pd.Series(table[["mean", "low", "high"]].to_numpy().ravel()).dropna()
    if len(y):
        axes.update_datalim([(x.min(), y.min()), (x.max(), y.max())])
    for values, set_limits in ((x.dropna(), axes.set_xlim), (y, axes.set_ylim)):
        value = float(values.iloc[0]) if values.nunique() == 1 else math.inf
        if math.isfinite(value):
            margin = abs(value) / 10 or 1.0
            set_limits(value - margin, value + margin)


def _crosses(axes: Axes, bad: pd.DataFrame, strokes: dict[str, Stroke], worst_low: bool) -> None:
    """A cross for each setting with a bad run; those at the same value stand on one another."""
    floor = bad.groupby("x").cumcount()
    height = 0.035 + 0.055 * floor
    for x, y, name in zip(bad["x"], height if worst_low else 1 - height, bad["alternative"], strict=True):
        where = axes.get_xaxis_transform()
        (cross,) = axes.plot([x], [y], "x", color=strokes[name].colour, transform=where, markersize=6)
        cross.set(markeredgewidth=1.8, gid=strokes[name].group)


def _setting_scale(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines without failed or diverged runs; all of them where there are none."""
    calm = lines[~lines["bad"]]
    return lines if calm.empty else calm
