"""Fitted curves: what models of one feature have made of the data."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from xprun.reports.figures.axes import canvas, drawable
from xprun.reports.presentation.style import INK, Stroke
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import DATA_ROWS, FITTED_CURVE, RUN, SERIES, TRUE_CURVE

FEW = 60  # rows up to which each is a clear dot
ROOM = 0.25  # of the range of the data, above and below: what lies further out is not seen


@dataclass(frozen=True)
class Fit:
    """Data of one feature with what was fitted to them.

    `data`, `truth`: `x`, `y`, the latter empty where it is not known. `curves`: one row an alternative and x, with the
    `y` of the run that stands for it, and `low` and `high` over the seeds that finished.
    """

    data: pd.DataFrame
    truth: pd.DataFrame
    curves: pd.DataFrame


def fits(analysis: Analysis) -> list[Fit]:
    """One fit for each data set to which an alternative has fitted curves."""
    table = analysis.tables.fits
    table = table.assign(set=table[RUN].map(analysis.tables.schema.group_of("data"))).dropna(subset=["set"])
    best = table.merge(analysis.best[[RUN, "alternative", "bad"]], on=RUN)
    curves = best[(best[SERIES] == FITTED_CURVE) & ~best["bad"]]
    return [_fit(table[table["set"] == name], rows, analysis) for name, rows in curves.groupby("set", sort=False)]


def _fit(table: pd.DataFrame, curves: pd.DataFrame, analysis: Analysis) -> Fit:
    band = curves.groupby(["alternative", "x"], sort=False)["y"].agg(low="min", high="max")
    typical = curves[curves[RUN].isin(analysis.typical)]
    points = [table.loc[table[SERIES] == series, ["x", "y"]] for series in (DATA_ROWS, TRUE_CURVE)]
    lines = typical[["alternative", "x", "y"]].join(band, on=["alternative", "x"])
    return Fit(points[0], points[1], lines.sort_values(["alternative", "x"], ignore_index=True))


def fit_figure(fit: Fit, strokes: dict[str, Stroke], title: str) -> Figure:
    """Data as dots, the truth dashed in ink, and a line with a band for each alternative."""
    strokes = {name: stroke for name, stroke in strokes.items() if name in set(fit.curves["alternative"])}
    figure, axes = canvas(strokes, title, "x")
    fit = Fit(*map(drawable, (fit.data, fit.truth, fit.curves)))
    size, alpha = (7, 0.7) if len(fit.data) <= FEW else (5, 0.35)
    axes.plot(fit.data["x"], fit.data["y"], ".", color=INK, alpha=alpha, markersize=size, markeredgewidth=0)
    low, high = visible_range(fit)
    for name, stroke in reversed(strokes.items()):
        rows = fit.curves[fit.curves["alternative"] == name]
        axes.fill_between(
            rows["x"], rows["low"], rows["high"], color=stroke.colour, alpha=0.14, linewidth=0, gid=stroke.group
        )
        (line,) = axes.plot(rows["x"], rows["y"], color=stroke.colour, gid=stroke.group)
        if stroke.dashes:
            line.set_dashes(stroke.dashes)
    if len(fit.truth):
        axes.plot(fit.truth["x"], fit.truth["y"], color=INK, linewidth=1.0, dashes=(1, 2))
    axes.set_ylim(low, high)
    axes.set_ylabel("y", rotation=0, labelpad=8)
    return figure


def visible_range(fit: Fit) -> tuple[float, float]:
    """The y axis: the data, or the truth where there are none, with room; a curve far off does not flatten them."""
    y = pd.concat([fit.data["y"], fit.truth["y"]]) if len(fit.data) else fit.curves["y"]
    y = y.dropna() if y.notna().any() else pd.Series([0.0])
    size = float(np.ptp(y)) or 1.0
    return float(y.min()) - ROOM * size, float(y.max()) + ROOM * size
