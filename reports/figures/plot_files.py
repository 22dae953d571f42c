"""Plots: a figure and its words, drawn in every format that a report is written in."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from xprun.reports.figures.drawing_processes import Drawing
from xprun.reports.figures.image_files import for_page, to_pdf, to_png, to_svg, with_epochs
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import Stroke
from xprun.reports.stats.analysis import Analysis

LONGEST = 70  # letters of a file's name


@dataclass(frozen=True)
class Plot:
    """A figure and its words, the same on every page.

    `name`: of its file, without folder or suffix; the number of a problem comes before it. `alt`: what it shows, in
    words and numbers. `figures`: functions that make figures of the same, by the name of the view, such as that of a
    scale; the first is for Markdown. `alternatives`: those with a stroke of their own, for the legend of a page; none
    where the figure names everything itself. `hover`: by view, the points that are told at the pointer,
    `{"number", "name", "x", "y"}` a series, and `split` for a part of a series that a page switches. `motion`: the
    points through which a page moves a mark, `{"number", "name", "taken", "x", "y"}` a series, of which `taken` are
    the steps. `switches`: the parts of each series that a page switches on and off. `x`: what lies along x,
    and `epoch` how many steps an epoch has, where that is known.
    """

    name: str
    title: str
    caption: str
    alt: str
    figures: Mapping[str, Callable[[], Figure]]
    alternatives: Iterable[Any] = ()
    hover: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    motion: list[dict[str, Any]] = field(default_factory=list)
    switches: tuple["Switch", ...] = ()
    x: str = "step"
    epoch: float | None = None


@dataclass(frozen=True)
class Switch:
    """A part of each series, such as the curve of the held-out rows. `width`: of its lines; 0 for no sample of it."""

    name: str
    width: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One line of a legend. `number`: by which the page switches a series on and off; `dashes`, `marker`: as SVG has
    them, the latter as a path in the middle of a sample of 26 by 10.
    """

    number: int
    name: str
    colour: str
    dashes: str
    marker: str


@dataclass(frozen=True)
class Images:
    """A plot as it was drawn.

    `files`: the content of each file beside the page, by suffix. `views`: SVGs of the same, by the name of the view.
    `hover`: by view the values at the pointer, `motion`: what moves, both as JSON; empty for none.
    """

    files: dict[str, bytes]
    views: dict[str, str]
    hover: dict[str, str]
    motion: str


@dataclass(frozen=True)
class Picture:
    """A plot on a page. `file`: a plain name without folder or suffix. `drawing`: its images, perhaps in a moment."""

    file: str
    title: str
    caption: str
    alt: str
    legend: list[Entry]
    drawing: Drawing[Images]
    switches: tuple[Switch, ...] = ()

    @property
    def images(self) -> Images:
        """Its images, when they are drawn."""
        return self.drawing.result


def draw(plot: Plot, analysis: Analysis) -> Picture:
    """The plot in the formats of the analysis."""
    name = f"{analysis.number}-{plot.name}" if analysis.number else plot.name
    file = file_name(name)
    present = set(plot.alternatives)
    legend = [_entry(name, stroke) for name, stroke in analysis.style.items() if name in present]
    drawing = Drawing(file, partial(_images, plot, analysis, file, has_legend=bool(legend)))
    return Picture(file, shorten(plot.title, 100), plot.caption, plot.alt, legend, drawing, plot.switches)


def _images(plot: Plot, analysis: Analysis, file: str, *, has_legend: bool) -> Images:
    figures = {view: figure() for view, figure in plot.figures.items()}
    first = next(iter(figures.values()))
    files, views = {}, {}
    if "md" in analysis.formats:
        files["png"] = to_png(first)
    if "pdf" in analysis.formats:
        files["pdf"] = to_pdf(first, plot.title)
    if "html" in analysis.formats:  # last, since a page takes the legend out of the figure
        pages = {view: for_page(figure) if has_legend else figure for view, figure in figures.items()}
        views = {view: to_svg(with_epochs(figure), f"{file}{view}") for view, figure in pages.items()}
    told = {view: _hover(figure, plot.hover.get(view, []), plot) for view, figure in figures.items()}
    motion = _motion(first, plot.motion, analysis.style) if plot.motion else ""
    return Images(files, views, told, motion)


def file_name(name: str) -> str:
    """A plain, readable file name; where more than brackets had to go, the start of a hash keeps names apart."""
    indexed = re.sub(r"\[(\w+)\]", r".\1", name)  # model.layers[0].p
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", indexed).strip("-.")
    if len(plain) <= LONGEST and plain == indexed:
        return plain
    return f"{plain[:LONGEST].strip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:4]}".lstrip("-")


def _entry(name: str, stroke: Stroke) -> Entry:
    dashes = " ".join(f"{1.5 * dash:g}" for dash in stroke.dashes)
    return Entry(stroke.number, name, stroke.in_page, dashes, _marker_path(stroke.marker))


@cache
def _marker_path(marker: str) -> str:
    """A marker as the `d` of an SVG path, in the middle of a legend's sample."""
    style = MarkerStyle(marker)
    outline = style.get_path().transformed(style.get_transform()).to_polygons()[0]
    shape = np.asarray(outline, dtype="float64") * [6.5, -6.5] + [13, 5]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shape) + "Z"


def _hover(figure: Figure, series: list[dict[str, Any]], plot: Plot) -> str:
    """What the page's script needs to tell the values at the pointer: where the axes lie, and every point."""
    if not series:
        return ""
    axes = figure.axes[0]
    place = axes.get_position()
    box = [round(place.x0, 4), round(place.width, 4)]
    told = {"box": box, "range": list(axes.get_xlim()), "log": axes.get_xscale() != "linear", "x": plot.x}
    told |= {"epoch": plot.epoch} if plot.epoch else {}
    return json.dumps(told | {"series": series}, separators=(",", ":"))


def _motion(figure: Figure, series: list[dict[str, Any]], style: dict[str, Stroke]) -> str:
    """What the page's script needs to move marks: where the axes lie, and every point in shares of them."""
    axes = figure.axes[0]
    place = axes.get_position()
    box = [round(share, 4) for share in (place.x0, 1 - place.y1, place.width, place.height)]
    to_shares = axes.transData + axes.transAxes.inverted()

    def moving(one: dict[str, Any]) -> dict[str, Any]:
        x, y = to_shares.transform(np.column_stack([one["x"], one["y"]])).clip(-9, 9).round(4).T
        stroke = style[one["name"]]
        line = {"colour": stroke.in_page, "dashes": " ".join(f"{1.4 * dash:g}" for dash in stroke.dashes)}
        return {**one, **line, "taken": one["taken"].tolist(), "x": x.tolist(), "y": (1 - y).round(4).tolist()}

    return json.dumps({"box": box, "series": list(map(moving, series))}, separators=(",", ":"))
