"""Fits: the curves of regressions by one feature over their data."""

import pandas as pd
from xprun.reports.cells import counted, listed, value_text
from xprun.reports.drawing import Plot, draw
from xprun.reports.fits import Fit, fit_figure, fits
from xprun.reports.look import SHOWN
from xprun.reports.parts import Gallery, Section
from xprun.reports.study import Study

DRAWN = 4  # data sets


def fits_section(study: Study) -> Section:
    """One plot for each data set of one feature; empty for other data."""
    found = fits(study)
    more = f" Drawn for the first {DRAWN} of {len(found)} data sets." if len(found) > DRAWN else ""
    plots = [_plot(number, fit, study, more) for number, fit in enumerate(found[:DRAWN], 1)]
    return Section("fits", "Fitted curves", [Gallery([draw(plot, study) for plot in plots])] if plots else [])


def _plot(number: int, fit: Fit, study: Study, more: str) -> Plot:
    names = [name for name in study.shown if name in set(fit.curves["alternative"])]
    truth = " Dotted: the curve that the data were drawn from." if len(fit.truth) else ""
    return Plot(
        name=f"fit-{number}",
        title="fitted curves",
        caption=(
            f"What each alternative predicts after training, at its best setting, {study.whose(names)}; the band is "
            "from the lowest to the highest over the seeds that ended well. "
            f"Dots: {counted(len(fit.data), 'training row')}, x as the model is given it.{truth}{more}{study.omitted}"
        ),
        alt=_ends(fit.curves, names),
        figures={"": fit_figure(fit, study.style, "fitted curves")},
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
