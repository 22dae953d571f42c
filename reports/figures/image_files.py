"""From a figure to files: SVG that lives inside a page and follows its colours, and PNG for everywhere else."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from xprun.reports.presentation.style import IN_PAGE

PAGE_HEIGHT = 3.4  # inches
PAGE_PLACE = (0.115, 0.145, 0.87, 0.755)  # of the axes: left, bottom, width and height as shares of the figure
NO_METADATA = dict.fromkeys(["Date", "Creator", "Format", "Type"])
TAG = re.compile(r"<[^<>]+>")  # in SVG text and attributes, < and > are escaped
COLOUR = re.compile("|".join(IN_PAGE))
SCAFFOLD = re.compile(r"<style.*?</style>|\s*<defs>\s*</defs>", re.DOTALL)


def to_svg(figure: Figure, name: str) -> str:
    """An `<svg>` element: the same figure and name give the same text. No prolog, style sheet or metadata."""
    buffer = StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), _any_alphabet():
        _save(figure, buffer, format="svg", transparent=True, metadata=NO_METADATA)
    text = buffer.getvalue()
    return SCAFFOLD.sub("", TAG.sub(_for_page, text[text.index("<svg") :])).strip()


def to_png(figure: Figure) -> bytes:
    """A PNG image on white, 160 pixels an inch."""
    buffer = BytesIO()
    with _any_alphabet():
        _save(figure, buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def to_pdf(figure: Figure, title: str) -> bytes:
    """A PDF page of the figure's size, its letters as letters: the same figure and title give the same bytes."""
    buffer = BytesIO()
    without_a_date = {"CreationDate": None, "Producer": None, "Creator": None, "Title": title}
    with mpl.rc_context({"pdf.fonttype": 42}), _any_alphabet():
        _save(figure, buffer, format="pdf", facecolor="white", metadata=without_a_date)
    return buffer.getvalue()


def for_page(figure: Figure) -> Figure:
    """A figure with a legend below it as a page has it: without the legend, which stands there as text.

    It is not laid out anew, which takes longer than drawing: its axes get a fixed place.
    """
    figure.set_layout_engine(None)
    for legend in list(figure.legends):
        legend.remove()
    figure.set_size_inches(figure.get_figwidth(), PAGE_HEIGHT)
    figure.axes[0].set_position(PAGE_PLACE)
    return figure


def with_epochs(figure: Figure) -> Figure:
    """A figure with the ticks at epochs, which a page shows in the place of those at steps when it is asked to."""
    for ticks in figure.axes[0].child_axes if figure.axes else ():
        ticks.set_visible(True)
    return figure


def _save(figure: Figure, buffer: BytesIO | StringIO, **options: Any) -> None:
    """Draw a figure; it is laid out then, so that what draws it next need not do so again.

    An engine that does nothing, "none", would still have it drawn once for the layout.
    """
    figure.savefig(buffer, **options)
    figure.set_layout_engine(None)


def _for_page(match: re.Match[str]) -> str:
    """A tag with the page's colours and font, and no more digits than one sees.

    Without the ids that two figures would share, and without style attributes, which a page's policy forbids.
    """
    tag = re.sub(r'^<g id="series-(\d+)"', r'<g data-series="\1"', match[0])
    tag = re.sub(r'^<g id="series-(\d+)-(\w+)"', r'<g data-series="\1" data-split="\2"', tag)
    tag = re.sub(r'^<g id="ticks-(\w+)"', r'<g data-ticks="\1"', tag)
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r' style="([^"]*)"', lambda style: _attributes(style[1]), tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    return COLOUR.sub(lambda colour: IN_PAGE[colour[0]], tag)


def _attributes(style: str) -> str:
    """`fill: none; stroke: #123` as ` fill="none" stroke="#123"`."""
    pairs = [part.partition(":") for part in style.split(";") if part.strip()]
    return "".join(f' {key.strip()}="{value.strip()}"' for key, _, value in pairs if key.strip() != "font-family")


@contextmanager
def _any_alphabet() -> Iterator[None]:
    """Labels may be written in letters that matplotlib's font lacks: a page shows them, a PNG shows boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        yield
