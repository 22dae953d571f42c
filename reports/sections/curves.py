"""Learning curves: the loss, and the metric compared, over the steps."""

from typing import Any

import pandas as pd
from xprun.reports.cells import listed, value_text
from xprun.reports.curves import BINS, curves
from xprun.reports.drawing import Plot, draw
from xprun.reports.floor import reference_value
from xprun.reports.look import SHOWN, Stroke
from xprun.reports.parts import Gallery, Section
from xprun.reports.plots import allows_log, curve_figure, suits_log
from xprun.reports.study import Study


def curves_section(study: Study) -> Section:
    """One plot for the loss and one for the metric compared; empty where no run came to a first step."""
    metrics = dict.fromkeys(["loss", study.comparison.metric])
    lines = {metric: curves(study.tables.history, study.best, metric) for metric in metrics}
    pictures = [draw(_plot(line, metric, study), study) for metric, line in lines.items() if len(line)]
    return Section("curves", "Learning curves", [Gallery(pictures)] if pictures else [])


def _plot(lines: pd.DataFrame, metric: str, study: Study) -> Plot:
    comparison, style = study.comparison, study.style
    level = comparison.target if metric == comparison.metric else None
    floor = reference_value(study.best, metric)
    first = suits_log(lines)
    figures = {
        "logarithmic" if log else "linear": curve_figure(lines, style, metric, level, floor, log=log)
        for log in [first, not first][: 2 if allows_log(lines) else 1]
    }
    return Plot(
        name=f"curve-{metric}",
        title=f"{metric} over the steps",
        caption=_caption(metric, level, floor) + study.omitted,
        alt=_last_values(lines, style),
        figures=figures,
        alternatives=lines["alternative"],
        hover=_points(lines, style),
    )


def _caption(metric: str, level: float | None, floor: float | None) -> str:
    what = "minibatch training loss" if metric == "loss" else metric
    target = f" Dotted: the target, {value_text(level)}." if level is not None else ""
    least = f" Dashed: least squares in closed form, {value_text(floor)}." if floor is not None else ""
    return (
        f"The {what} over the steps, each alternative at its best setting: the mean over its seeds, "
        f"and a band from the lowest to the highest. Long curves are averaged within at most {BINS} bins; a curve ends "
        f"where the first of its runs ends, and may leave the plot where its runs did not end well.{target}{least}"
    )


def _last_values(lines: pd.DataFrame, style: dict[str, Stroke]) -> str:
    ends = lines.drop_duplicates("alternative", keep="last").set_index("alternative")["mean"]
    return "At the end: " + listed([f"{name} {value_text(ends[name])}" for name in style if name in ends], SHOWN)


def _points(lines: pd.DataFrame, style: dict[str, Stroke]) -> list[dict[str, Any]]:
    return [
        {
            "number": style[str(name)].number,
            "name": name,
            "x": [float(f"{value:.6g}") for value in rows["step"]],
            "y": [value_text(value) for value in rows["mean"]],
        }
        for name, rows in lines.dropna(subset=["mean"]).groupby("alternative", sort=False)
        if name in style
    ]
