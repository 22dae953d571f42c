"""How plots look: colours and dashes that stay apart for colour-blind readers, in light, in dark and in print."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cycler import cycler

INK = "#24292f"
RULE = "#d8dde3"
# Okabe and Ito's palette without its yellow, which vanishes on white; ink is the seventh colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b0569a", "#e69f00", "#56b4e9", INK)
DASHES = ((), (5, 1.6), (1.4, 1.4), (6, 1.5, 1.4, 1.5), (3, 1.2))
MARKERS = ("o", "s", "^", "D", "v", "P", "p")
SHOWN = 12
SPLIT_WIDTHS = {"": 1.7, "train": 0.9, "valid": 1.9, "test": 1.4}  # of lines, by the rows that they are measured on
# In a page, a colour follows the reader's colour scheme: the style sheet defines these names for light and dark.
IN_PAGE = {INK: "currentColor", RULE: "var(--rule)"} | {c: f"var(--series-{i})" for i, c in enumerate(COLOURS[:-1], 1)}

THEME: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "image.composite_image": False,  # an SVG keeps each as it is
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.7,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a `$` in a label is a dollar
    "xtick.color": INK,
    "xtick.major.size": 3.0,
    "xtick.minor.size": 0.0,
    "ytick.color": INK,
    "ytick.major.size": 0.0,
    "ytick.minor.size": 0.0,
}


@dataclass(frozen=True)
class Stroke:
    """How one alternative is drawn, the same in every plot of a report."""

    number: int
    colour: str
    dashes: tuple[float, ...]
    marker: str

    @property
    def group(self) -> str:
        """The name of its parts in an SVG, by which a page switches them on and off."""
        return f"series-{self.number}"

    @property
    def is_marked(self) -> bool:
        """Whether its lines have markers, since another one has its colour."""
        return self.number >= len(COLOURS)

    @property
    def in_page(self) -> str:
        """Its colour as a style sheet calls it."""
        return IN_PAGE[self.colour]


def strokes(alternatives: list[str], first: int = 0) -> dict[str, Stroke]:
    """A stroke for each alternative shown: the first `SHOWN`, no two of which share colour and dashes, or marker.

    `first`: how many strokes of the page others have.
    """
    return {
        name: Stroke(i, COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)], _marker(i))
        for i, name in enumerate(alternatives[:SHOWN], first)
    }


def _marker(number: int) -> str:
    """A marker that its colour did not have before: each round of colours starts one further, which is odd to seven."""
    return MARKERS[(number + 3 * (number // len(COLOURS))) % len(MARKERS)]


@contextmanager
def theme() -> Iterator[None]:
    """matplotlib as this package sets it, whatever the reader's own `matplotlibrc` says."""
    import matplotlib as mpl  # not where nothing is drawn

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(THEME)
        yield
