"""Fits: the curves of regressions by one feature over their data."""

from functools import partial

import pandas as pd
from xprun.reports.figures.fit_curves import Fit, fit_figure, fits
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import counted, listed, value_text
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Gallery, Section
from xprun.reports.stats.analysis import Analysis

DRAWN = 4  # data sets


def fits_section(analysis: Analysis) -> Section:
    """One plot for each data set of one feature; empty for other data."""
    found = fits(analysis)
    more = f" Drawn for the first {DRAWN} of {len(found)} data sets." if len(found) > DRAWN else ""
    plots = [_plot(number, fit, analysis, more) for number, fit in enumerate(found[:DRAWN], 1)]
    return Section("fits", "Fitted curves", [Gallery([draw(plot, analysis) for plot in plots])] if plots else [])


def _plot(number: int, fit: Fit, analysis: Analysis, more: str) -> Plot:
    names = [name for name in analysis.shown if name in set(fit.curves["alternative"])]
    truth = " Dotted: the curve that the data were drawn from." if len(fit.truth) else ""
    return Plot(
        name=f"fit-{number}",
        title="fitted curves",
        caption=(
            f"What each alternative{analysis.at_best} predicts after training, {analysis.whose(names)}; the band is "
            "from the lowest to the highest over the seeds that finished. "
            f"Dots: {counted(len(fit.data), 'training row')}, x as the model sees it."
            f"{truth}{more}{analysis.omitted}"
        ),
        alt=_ends(fit.curves, names),
        figures={"": partial(fit_figure, fit, analysis.style, "fitted curves")},
        alternatives=names,
    )


def _ends(curves: pd.DataFrame, names: list[str]) -> str:
    """What is predicted at both ends of the data, in numbers."""
    told = []
    for name in names:
        rows = curves[curves["alternative"] == name]
        places = [f"{value_text(y)} at x={value_text(x)}" for x, y in rows[["x", "y"]].iloc[[0, -1]].to_numpy()]
        told.append(f"{name} predicts {' and '.join(places)}")
    return listed(told, SHOWN)
