"""Learning curves: the loss, and the metric compared, over the steps."""

from functools import partial
from typing import Any

import pandas as pd
from xprun.reports.figures.line_plots import allows_log, curve_figure, suits_log
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import listed, value_text
from xprun.reports.presentation.style import SHOWN, Stroke
from xprun.reports.sections.blocks import Gallery, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import reference_value
from xprun.reports.stats.curve_averages import BINS, curves, divergences
from xprun.runner.results.results_schema import LOSS, STEP


def curves_section(analysis: Analysis) -> Section:
    """One plot for the loss and one for the metric compared; empty where no run came to a first step."""
    comparison = analysis.comparison
    aimed = [] if comparison.target is None else [comparison.aim[0]]
    metrics = dict.fromkeys([LOSS, comparison.measured[0], *aimed])
    lines = {metric: curves(analysis.tables.history, analysis.best, metric) for metric in metrics}
    pictures = [draw(_plot(line, metric, analysis), analysis) for metric, line in lines.items() if len(line)]
    return Section("curves", "Learning curves", [Gallery(pictures)] if pictures else [])


def _plot(lines: pd.DataFrame, metric: str, analysis: Analysis) -> Plot:
    comparison, style = analysis.comparison, analysis.style
    level = comparison.target if metric == comparison.aim[0] else None
    floor = reference_value(analysis.best, metric)
    first = suits_log(lines)
    lost = divergences(analysis.tables.history, analysis.best, metric)
    figures = {
        "logarithmic" if log else "linear": partial(
            curve_figure, lines, style, metric, level, floor, lost=lost, log=log
        )
        for log in [first, not first][: 2 if allows_log(lines) else 1]
    }
    return Plot(
        name=f"curve-{metric}",
        title=f"{metric} over the steps",
        caption=_caption(metric, level, floor, analysis.at_best) + _ends(lines, lost) + analysis.omitted,
        alt=_last_values(lines, style),
        figures=figures,
        alternatives=lines["alternative"],
        hover=_points(lines, style),
    )


def _caption(metric: str, level: float | None, floor: float | None, at_best: str) -> str:
    what = "minibatch training loss" if metric == LOSS else metric
    target = f" Dotted: the target, {value_text(level)}." if level is not None else ""
    least = f" Dashed: least squares in closed form, {value_text(floor)}." if floor is not None else ""
    return (
        f"The {what} over the steps, each alternative{at_best}: the mean over its seeds, with a band from "
        f"the lowest to the highest. Long curves are averaged within at most {BINS} bins; a curve ends where its first "
        f"failed or diverged run ends, and may leave the plot there.{target}{least}"
    )


def _ends(lines: pd.DataFrame, lost: pd.DataFrame) -> str:
    """What a reader should know of lines that do not simply end with the last step."""
    cross = "\N{MULTIPLICATION SIGN}"
    crosses = f" {cross} marks where a run diverged." if len(lost) else ""
    dotted = " Dotted: from where a stop rule ended the first run, with the last values of those that ended."
    return crosses + (dotted if lines["carried"].any() else "")


def _last_values(lines: pd.DataFrame, style: dict[str, Stroke]) -> str:
    ends = lines.drop_duplicates("alternative", keep="last").set_index("alternative")["mean"]
    return "At the end: " + listed([f"{name} {value_text(ends[name])}" for name in style if name in ends], SHOWN)


def _points(lines: pd.DataFrame, style: dict[str, Stroke]) -> list[dict[str, Any]]:
    return [
        {
            "number": style[str(name)].number,
            "name": name,
            "x": [float(f"{value:.6g}") for value in rows[STEP]],
            "y": [value_text(value) for value in rows["mean"]],
        }
        for name, rows in lines.dropna(subset=["mean"]).groupby("alternative", sort=False)
        if name in style
    ]
