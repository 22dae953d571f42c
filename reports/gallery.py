"""Chooses the plots of a report, draws them and writes their captions."""

import re
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from xprun.reports.cells import listed, shorten, value_text
from xprun.reports.comparison import Comparison
from xprun.reports.curves import BINS, curves, sensitivity
from xprun.reports.figures import to_png, to_svg
from xprun.reports.findings import is_number
from xprun.reports.floor import reference_value
from xprun.reports.look import SHOWN, Stroke, strokes, theme
from xprun.reports.plots import curve_figure, sensitivity_figure

SENSITIVITIES = 6


@dataclass(frozen=True)
class Picture:
    """A plot, ready for both pages. `file`: a plain name without folder or suffix."""

    file: str
    kind: str
    title: str
    caption: str
    svg: str
    png: bytes


def pictures(
    history: pd.DataFrame, judged: pd.DataFrame, summary: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison
) -> list[Picture]:
    """The curves of the loss and of the metric compared, then one plot for each numeric setting that was swept."""
    style = strokes(list(ranking["alternative"]))
    best = judged[judged["setting"].isin(ranking.index[: len(style)])]
    more = f" Only the best {SHOWN} of {len(ranking)} are drawn." if len(ranking) > SHOWN else ""
    with theme():
        lines = {metric: curves(history, best, metric) for metric in dict.fromkeys(["loss", comparison.metric])}
        found = [
            _curve(line, style, name, comparison, reference_value(best, name), more)
            for name, line in lines.items()
            if len(line)
        ]
        return found + [_sensitivity(summary, style, key, comparison, more) for key in axes(summary, comparison)]


def axes(summary: pd.DataFrame, comparison: Comparison) -> list[str]:
    """The settings to plot against: numeric, with at least two values; learning rates first."""
    found = [key for key in comparison.keys if is_number(summary[key]) and summary[key].nunique() > 1]
    return sorted(found, key=lambda key: not key.endswith(".lr"))[:SENSITIVITIES]


def _curve(
    lines: pd.DataFrame,
    style: dict[str, Stroke],
    metric: str,
    comparison: Comparison,
    floor: float | None,
    more: str,
) -> Picture:
    level = comparison.target if metric == comparison.metric else None
    figure = curve_figure(lines, style, metric, level, floor)
    what = "minibatch training loss" if metric == "loss" else metric
    caption = (
        f"The {what} over the steps, each alternative at its best setting: the mean over its seeds, "
        f"and a band from the lowest to the highest. Long curves are averaged within at most {BINS} bins; a curve ends "
        "where the first of its runs ends, and may leave the plot where its runs did not end well."
    )
    target = f" Dotted: the target, {value_text(level)}." if level is not None else ""
    least = f" Dashed: least squares in closed form, {value_text(floor)}." if floor is not None else ""
    return _picture(figure, f"curve-{metric}", "curve", f"{metric} over the steps", caption + target + least + more)


def _sensitivity(
    summary: pd.DataFrame, style: dict[str, Stroke], key: str, comparison: Comparison, more: str
) -> Picture:
    points = sensitivity(summary, key)
    points = points[points["alternative"].isin(list(style))]
    figure = sensitivity_figure(points, style, f"final {comparison.metric}", key, not comparison.ascending)
    others = ", the other settings at their best" if len(comparison.keys) > 1 else ""
    title = f"final {comparison.metric} against {key}"
    caption = f"The {title}{others}: the mean over seeds, and a band from the lowest to the highest."
    return _picture(figure, f"sensitivity-{key}", "sensitivity", title, caption + _crossed(points) + more)


def _crossed(points: pd.DataFrame) -> str:
    bad = points[points["bad"] > 0]
    where = [f"{row.alternative} at {value_text(row.x)} ({row.bad} of {row.runs})" for row in bad.itertuples()]
    cross = "\N{MULTIPLICATION SIGN}"
    return f" {cross} marks values with runs that did not end well: {listed(where, 8)}." if where else ""


def _picture(figure: Figure, name: str, kind: str, title: str, caption: str) -> Picture:
    file = re.sub(r"[^A-Za-z0-9._-]", lambda match: f"-{ord(match[0]):x}-", name)[:80]
    return Picture(file, kind, shorten(title, 100), caption, to_svg(figure, file), to_png(figure))
