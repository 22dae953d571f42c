"""Chooses the plots of a report, draws them and writes their captions."""

import json
import re
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure
from xprun.reports.cells import listed, shorten, value_text
from xprun.reports.comparison import Comparison
from xprun.reports.curves import BINS, curves, sensitivity
from xprun.reports.figures import for_page, to_png, to_svg
from xprun.reports.findings import is_number
from xprun.reports.floor import reference_value
from xprun.reports.heat import heat_figure, heat_tables
from xprun.reports.look import SHOWN, Stroke, strokes, theme
from xprun.reports.plots import allows_log, curve_figure, sensitivity_figure, suits_log

SENSITIVITIES = 6


@dataclass(frozen=True)
class Entry:
    """One line of a legend. `number`: by which the page switches a series on and off; `dashes`: as SVG has them."""

    number: int
    name: str
    colour: str
    dashes: str


@dataclass(frozen=True)
class Picture:
    """A plot, ready for both pages. `file`: a plain name without folder or suffix.

    `alt`: what it shows, in words and numbers. `legend`: none where the plot itself names everything. `scales`: one or
    two SVGs of the same, by the name of their scale. `hover`: the values at the pointer, as JSON; empty for none.
    """

    file: str
    kind: str
    title: str
    caption: str
    alt: str
    png: bytes
    legend: list[Entry]
    scales: dict[str, str]
    hover: str = ""


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
        keys = axes(summary, comparison)
        found += [_sensitivity(summary, style, key, comparison, more) for key in keys]
        return found + _heat(summary, ranking, keys[:2], comparison)


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
    what = "minibatch training loss" if metric == "loss" else metric
    caption = (
        f"The {what} over the steps, each alternative at its best setting: the mean over its seeds, "
        f"and a band from the lowest to the highest. Long curves are averaged within at most {BINS} bins; a curve ends "
        "where the first of its runs ends, and may leave the plot where its runs did not end well."
    )
    target = f" Dotted: the target, {value_text(level)}." if level is not None else ""
    least = f" Dashed: least squares in closed form, {value_text(floor)}." if floor is not None else ""
    first = suits_log(lines)
    figures = {
        "logarithmic" if log else "linear": curve_figure(lines, style, metric, level, floor, log=log)
        for log in [first, not first][: 2 if allows_log(lines) else 1]
    }
    title = f"{metric} over the steps"
    picture = _picture(figures, f"curve-{metric}", "curve", title, caption + target + least + more, style, lines)
    return replace(picture, alt=_last_values(lines, style), hover=_hover(next(iter(figures.values())), lines, style))


def _last_values(lines: pd.DataFrame, style: dict[str, Stroke]) -> str:
    ends = lines.drop_duplicates("alternative", keep="last").set_index("alternative")["mean"]
    return "At the end: " + listed([f"{name} {value_text(ends[name])}" for name in style if name in ends], SHOWN)


def _hover(figure: Figure, lines: pd.DataFrame, style: dict[str, Stroke]) -> str:
    """What the page's script needs to tell the values at the pointer: where the axes lie, and every point."""
    axes = figure.axes[0]
    place = axes.get_position()
    series = [
        {
            "number": style[str(name)].number,
            "name": name,
            "x": [float(f"{value:.6g}") for value in rows["step"]],
            "y": [value_text(value) for value in rows["mean"]],
        }
        for name, rows in lines.dropna(subset=["mean"]).groupby("alternative", sort=False)
        if name in style
    ]
    box = [round(place.x0, 4), round(place.width, 4)]
    return json.dumps({"box": box, "range": list(axes.get_xlim()), "series": series}, separators=(",", ":"))


def _sensitivity(
    summary: pd.DataFrame, style: dict[str, Stroke], key: str, comparison: Comparison, more: str
) -> Picture:
    points = sensitivity(summary, key)
    points = points[points["alternative"].isin(list(style))]
    figure = sensitivity_figure(points, style, f"final {comparison.metric}", key, not comparison.ascending)
    others = ", the other settings at their best" if len(comparison.keys) > 1 else ""
    title = f"final {comparison.metric} against {key}"
    caption = f"The {title}{others}: the mean over seeds, and a band from the lowest to the highest."
    text = caption + _crossed(points) + more
    picture = _picture({"": figure}, f"sensitivity-{key}", "sensitivity", title, text, style, points)
    return replace(picture, alt=_best_values(points, comparison))


def _best_values(points: pd.DataFrame, comparison: Comparison) -> str:
    best = points.dropna(subset=["mean"]).sort_values("mean", ascending=comparison.ascending, kind="stable")
    rows = best.drop_duplicates("alternative").itertuples()
    return "Best: " + listed(
        [f"{row.alternative} {value_text(row.mean)} at {value_text(row.x)}" for row in rows], SHOWN
    )


def _crossed(points: pd.DataFrame) -> str:
    bad = points[points["bad"] > 0]
    where = [f"{row.alternative} at {value_text(row.x)} ({row.bad} of {row.runs})" for row in bad.itertuples()]
    cross = "\N{MULTIPLICATION SIGN}"
    return f" {cross} marks values with runs that did not end well: {listed(where, 8)}." if where else ""


def _heat(summary: pd.DataFrame, ranking: pd.DataFrame, keys: list[str], comparison: Comparison) -> list[Picture]:
    """The heat map of the first two settings that were swept; none where no alternative has several values of both."""
    tables = heat_tables(summary, keys, list(ranking["alternative"])) if len(keys) == 2 else {}
    if not tables:
        return []
    title = f"final {comparison.metric} against {keys[0]} and {keys[1]}"
    best = {
        name: table.min(axis=None) if comparison.ascending else table.max(axis=None) for name, table in tables.items()
    }
    caption = (
        f"The {title}: the mean over seeds, the brighter the better. Empty where a run did not end well, and where "
        f"nothing was tried. The first {len(tables)} alternatives that have several values of both."
    )
    figure = heat_figure(tables, f"final {comparison.metric}", ascending=comparison.ascending)
    picture = _picture({"": figure}, f"heat-{keys[0]}-{keys[1]}", "sensitivity", title, caption, {}, summary)
    return [replace(picture, alt="Best: " + listed([f"{name} {value_text(value)}" for name, value in best.items()]))]


def _picture(
    figures: dict[str, Figure],
    name: str,
    kind: str,
    title: str,
    caption: str,
    style: dict[str, Stroke],
    table: pd.DataFrame,
) -> Picture:
    """A picture of figures that differ in scale; the first is the one for Markdown. `table`: who is in it."""
    file = re.sub(r"[^A-Za-z0-9._-]", lambda match: f"-{ord(match[0]):x}-", name)[:80]
    png = to_png(next(iter(figures.values())))
    scales = {scale: to_svg(for_page(figure), f"{file}{scale}") for scale, figure in figures.items()}
    present = set(table["alternative"])
    legend = [_entry(alternative, stroke) for alternative, stroke in style.items() if alternative in present]
    return Picture(file, kind, shorten(title, 100), caption, "", png, legend, scales)


def _entry(name: str, stroke: Stroke) -> Entry:
    return Entry(stroke.number, name, stroke.in_page, " ".join(f"{1.5 * dash:g}" for dash in stroke.dashes))
