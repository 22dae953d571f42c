"""Plots: each maps a table to a figure. No display, no global state."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from xprun.reports.figures.axes import canvas, drawable, present, scale_settings, spans_decades, use_log
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import COLOURS, DASHES, INK, MARKERS, SPLIT_WIDTHS, Stroke
from xprun.runner.results.results_schema import STEP, TRAIN, VALUE

FEW = 8  # points of a line that are marked, since one alone would not be seen, nor a few near each other
FEW_BANDS = 4  # bands that may lie on one another and still be told apart
DECADES = 2.0
PLACES = 6  # markers along a line whose colour another one has, too
MARKED = 20  # points of a line that have room for a marker each


Curves = Mapping[str, pd.DataFrame]  # by the split of the data that they are measured on, lines as in `curves`


def curve_figure(
    curves: Curves | pd.DataFrame,
    strokes: dict[str, Stroke],
    title: str,
    level: float | None = None,
    floor: float | None = None,
    *,
    lost: pd.DataFrame | None = None,
    log: bool | None = None,
    epoch: float | None = None,
) -> Figure:
    """One line and band an alternative and split over the steps. `log`: the scale; None: what suits.

    `level`: a target to draw dotted, or None; `floor`: what is known in closed form, dashed unless it is far away;
    `lost`: where runs diverged, a cross each, see `divergences`. What stopped runs carry on is dotted. `epoch`: how
    many steps one has: then there are ticks at epochs, too, which a page may show instead.

    Lines without failed or diverged runs set the scale, if there are any: one that explodes must not flatten the rest.
    """
    parts = {"": curves} if isinstance(curves, pd.DataFrame) else curves
    lines = pd.concat([table.assign(split=split) for split, table in parts.items()], ignore_index=True)
    strokes = present(strokes, lines)
    figure, axes = canvas(strokes, title, "step")
    lines = drawable(lines[lines["alternative"].isin(list(strokes))])
    calm, wild = lines[~lines["bad"]], lines[lines["bad"]]
    if suits_log(lines) if log is None else log:
        use_log(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _make_room(axes, lines[STEP], _setting_scale(lines))
    _draw_splits(axes, calm, strokes)
    scale = axes.get_ylim()
    _draw_splits(axes, wild, strokes)
    if len(calm):
        axes.set_ylim(scale)
    if lost is not None:
        _mark_lost(axes, drawable(lost), strokes)
    if level is not None:
        axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    if floor is not None:
        _draw_floor(axes, floor)
    _add_epochs(axes, epoch)
    return figure


def together_figure(view: Curves, title: str, *, epoch: float | None = None) -> Figure:
    """One line a metric, of one alternative, as textbooks print it: their names stand beside the lines."""
    figure, axes = canvas({}, title, "step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for i, (metric, table) in enumerate(view.items()):
        lines = drawable(table).dropna(subset=["mean"])
        colour, dashes = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        axes.fill_between(lines[STEP], lines["low"], lines["high"], color=colour, alpha=0.14, linewidth=0)
        look: Any = {"marker": MARKERS[i % len(MARKERS)], "markersize": 4} if len(lines) <= FEW else {}
        (line,) = axes.plot(lines[STEP], lines["mean"], color=colour, label=metric, **look)
        line.set_dashes(dashes) if dashes else None
    axes.legend(loc="best")
    _add_epochs(axes, epoch)
    return figure


def _add_epochs(axes: Axes, epoch: float | None) -> None:
    """Ticks at epochs in the place of those at steps; they are hidden, and a page may show them instead."""
    if epoch is None:
        return
    axes.xaxis.set_gid("ticks-step")
    there: tuple[Any, Any] = (lambda step: step / epoch, lambda epochs: epochs * epoch)
    ticks = axes.secondary_xaxis("bottom", functions=there)
    ticks.set(xlabel="epoch", visible=False, gid="ticks-epoch")
    ticks.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_splits(axes: Axes, lines: pd.DataFrame, strokes: dict[str, Stroke]) -> None:
    """The lines of each split, and dotted what stopped runs carry on."""
    for split, rows in lines.groupby("split", sort=False):
        _draw(axes, _until_carried(rows), strokes, "step", markers=False, split=str(split))
        _draw_carried(axes, rows, strokes, str(split))


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


def _draw_carried(axes: Axes, lines: pd.DataFrame, strokes: dict[str, Stroke], split: str = "") -> None:
    """Dotted, from the last place at which all runs still trained, the lines that stopped runs carry on."""
    for name, rows in lines.groupby("alternative", sort=False):
        if rows["carried"].any():
            start = max(0, int(np.argmax(rows["carried"])) - 1)
            stroke, rest = strokes[str(name)], rows.iloc[start:]
            axes.plot(rest[STEP], rest["mean"], color=stroke.colour, linestyle=(0, (1, 1.6)), gid=_group(stroke, split))


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


def _draw(
    axes: Axes, table: pd.DataFrame, strokes: dict[str, Stroke], x: str, *, markers: bool, split: str = ""
) -> None:
    """A band and a line an alternative, bands below all lines; with `markers` the ends of each interval, too.

    `split`: which rows they are of; those of training rows are thin and have no band.
    """
    table = table.dropna(subset=["mean"])
    faint = 0.14 if len(strokes) <= FEW_BANDS else 0.07
    for name, rows in table.groupby("alternative", sort=False) if split != TRAIN else ():
        colour, group = strokes[str(name)].colour, _group(strokes[str(name)], split)
        axes.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=faint, linewidth=0, gid=group)
        if markers:
            axes.vlines(rows[x], rows["low"], rows["high"], color=colour, alpha=0.5, linewidth=0.9, gid=group)
    for name, stroke in present(strokes, table).items():
        rows = table[table["alternative"] == name].sort_values(x, kind="stable")
        look: Any = {"color": stroke.colour, "linestyle": (0, stroke.dashes) if stroke.dashes else "-"}
        look |= {"markeredgewidth": 0.75, "linewidth": SPLIT_WIDTHS[split]}
        if len(rows) <= FEW:
            look |= {"marker": stroke.marker, "markersize": 4, "markeredgecolor": "none"}
        elif markers:
            look |= {"marker": stroke.marker, "markersize": 5.5, "markeredgecolor": "w"}
        elif stroke.is_marked:  # its colour is that of another one, too
            places = np.unique(np.linspace(0, len(rows) - 1, PLACES + stroke.number % 3).round().astype(int))
            look |= {"marker": stroke.marker, "markersize": 4.5, "markeredgecolor": "w", "markevery": places.tolist()}
        axes.plot(rows[x], rows["mean"], gid=_group(stroke, split), **look)


def _group(stroke: Stroke, split: str) -> str:
    """The name of a part in an SVG: of a series, or of a split of it, which a page switches on and off."""
    return f"{stroke.group}-{split}" if split else stroke.group


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
