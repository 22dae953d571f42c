"""From a figure to files: SVG that lives inside a page and follows its colours, and PNG for everywhere else."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO

import matplotlib as mpl
from matplotlib.figure import Figure
from xprun.reports.look import IN_PAGE

NO_METADATA = dict.fromkeys(["Date", "Creator", "Format", "Type"])
TAG = re.compile(r"<[^<>]+>")  # in SVG text and attributes, < and > are escaped
COLOUR = re.compile("|".join(IN_PAGE))
SCAFFOLD = re.compile(r"<style.*?</style>|\s*<defs>\s*</defs>", re.DOTALL)


def to_svg(figure: Figure, name: str) -> str:
    """An `<svg>` element: the same figure and name give the same text. No prolog, style sheet or metadata."""
    buffer = StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), _any_alphabet():
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    figure.set_layout_engine("none")  # it is laid out now: what draws it next need not do so again
    text = buffer.getvalue()
    return SCAFFOLD.sub("", TAG.sub(_for_page, text[text.index("<svg") :])).strip()


def to_png(figure: Figure) -> bytes:
    """A PNG image on white, 160 pixels an inch."""
    buffer = BytesIO()
    with _any_alphabet():
        figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _for_page(match: re.Match[str]) -> str:
    """A tag with the page's colours and font; without the ids that two figures would share."""
    tag = re.sub(r'^<g id="[^"]*"', "<g", match[0])
    tag = re.sub(r"; font-family: [^;\"]*", "", tag)
    return COLOUR.sub(lambda colour: IN_PAGE[colour[0]], tag)


@contextmanager
def _any_alphabet() -> Iterator[None]:
    """Labels may be written in letters that matplotlib's font lacks: a page shows them, a PNG shows boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        yield
