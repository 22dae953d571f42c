"""The graph of a model as a picture: layers as boxes from top to bottom, and the shapes that go between them."""

from collections import defaultdict
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from xprun.reports.data.described_models import ModelGraph, Node
from xprun.reports.figures.graph_layout import BELOW, Edge, layered, ranks_of
from xprun.reports.presentation.formatting import counted, shorten
from xprun.reports.presentation.style import COLOURS, INK, RULE

MOST = 100  # boxes of a picture
LONGEST = 600  # layers that its lines pass, all together
POINTS = 72  # in an inch
MARGIN = 8.0  # around the drawing; this and all below in points
WIDTH = 138.0  # of the box of a layer
PAD = 5.0
TITLE, SMALL = 9.0, 7.5  # sizes of letters
LETTER = 0.6  # the width of a letter, of its size
LETTERS = 30  # in a line of settings
LINES = 2  # of settings
ENDS = ("input", "output")


def can_be_drawn(graph: ModelGraph) -> bool:
    """Whether a graph is small enough for a picture that one can take in."""
    edges = _edges(graph)
    ranks = ranks_of(len(graph.nodes), edges)
    return len(graph.nodes) <= MOST and sum(ranks[end] - ranks[start] for start, end in edges) <= LONGEST


def graph_figure(graph: ModelGraph) -> Figure:
    """The picture of a graph, as large as its boxes are, which have the same size in each."""
    sizes = [_size(node) for node in graph.nodes]
    layout = layered(sizes, _edges(graph))
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    figure = Figure(figsize=(width / POINTS, height / POINTS))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-MARGIN, width - MARGIN), ylim=(height - MARGIN, -MARGIN))
    axes.set_axis_off()
    turns = defaultdict[int, set[bool]](set)  # whether the lines from a box turn to the left, or to the right
    for (start, end), lanes in layout.lanes.items():
        here = layout.x[start], layout.y[start] + sizes[start][1]
        course = [*lanes, (layout.x[end], layout.y[end], layout.y[end])]
        _line(axes, here, course)
        if abs(course[0][0] - here[0]) > 1:
            turns[start].add(course[0][0] < here[0])
    for number, (node, x, y) in enumerate(zip(graph.nodes, layout.x, layout.y, strict=True)):
        _box(axes, node, x, y)
        if node.op != "output":
            side, align = (4, "left") if turns[number] == {True} else (-4, "right")
            axes.text(x + side, y + sizes[number][1] + BELOW / 2, node.shape, fontsize=SMALL, ha=align, va="center")
    return figure


def _edges(graph: ModelGraph) -> list[Edge]:
    return [(start, end) for end, node in enumerate(graph.nodes) for start in node.inputs]


def words_of(graph: ModelGraph) -> str:
    """What the picture shows, for who cannot see it."""
    calls = [node.op for node in graph.nodes if node.op not in ENDS]
    return f"from input to output {shorten(', '.join(calls), 300)}"


def _is_layer(node: Node) -> bool:
    return bool(node.path and (node.detail or node.op[0].isupper()))


def _lines(node: Node) -> list[str]:
    """What stands below the name of a layer."""
    settings = wrap(shorten(node.detail, LETTERS * LINES), LETTERS) if _is_layer(node) else []
    inside = [counted(node.inside, "call")] if node.inside else []
    count = [f"{node.parameters:,} parameter{'s' * (node.parameters != 1)}"] if node.parameters else []
    return [*settings, *inside, *count]


def _size(node: Node) -> tuple[float, float]:
    lines = _lines(node)
    if _is_layer(node):
        return WIDTH, 2 * PAD + 1.25 * TITLE + 1.25 * SMALL * len(lines)
    widest = max(len(node.op) * TITLE, *(len(line) * SMALL for line in lines), 0)
    return max(44.0, LETTER * widest + 2 * PAD), 2 * PAD + TITLE + 1.25 * SMALL * len(lines)


def _box(axes: Axes, node: Node, x: float, y: float) -> None:
    """A box: rounded for functions and ends, blue where there are parameters, filled where it stands for a module."""
    width, height = _size(node)
    corner = 3.0 if _is_layer(node) else min(width, height) / 2
    style: Any = f"round,pad=0,rounding_size={corner}"
    edge = COLOURS[0] if node.parameters else INK
    face = RULE if node.inside else "none"
    axes.add_patch(
        FancyBboxPatch((x - width / 2, y), width, height, style, facecolor=face, edgecolor=edge, linewidth=1.1)
    )
    if not _is_layer(node):
        axes.text(x, y + PAD + TITLE / 2, node.op, fontsize=TITLE, ha="center", va="center")
        for number, line in enumerate(_lines(node)):
            below = y + PAD + 1.25 * TITLE + 1.25 * SMALL * (number + 0.5)
            axes.text(x, below, line, fontsize=SMALL, ha="center", va="center")
        return
    left, right = x - width / 2 + PAD + 1, x + width / 2 - PAD - 1
    room = (WIDTH - 3 * PAD) / LETTER - 1.25 * TITLE * len(node.op)
    axes.text(left, y + PAD + TITLE / 2, node.op, fontsize=TITLE, weight="bold", va="center")
    letters = max(2, int(room / SMALL))
    cut = f"\N{HORIZONTAL ELLIPSIS}{node.path[1 - letters :]}"
    shown = node.path if len(node.path) <= letters else cut
    axes.text(right, y + PAD + TITLE / 2, shown, fontsize=SMALL, ha="right", va="center")
    for number, line in enumerate(_lines(node)):
        axes.text(left, y + PAD + 1.3 * TITLE + 1.25 * SMALL * (number + 0.5), line, fontsize=SMALL, va="center")


def _line(axes: Axes, here: tuple[float, float], course: list[tuple[float, float, float]]) -> None:
    """A line from the bottom of a box to the top of another, which bends only between layers."""
    points, codes = [here], [Path.MOVETO]
    for x, top, bottom in course:
        last_x = points[-1][0]
        points += [(last_x, max(points[-1][1], top - BELOW)), (last_x, top - BELOW / 3), (x, top - 2 * BELOW / 3)]
        points += [(x, top), (x, bottom)]
        codes += [Path.LINETO, *[Path.CURVE4] * 3, Path.LINETO]
    axes.add_patch(PathPatch(Path(points, codes), facecolor="none", edgecolor=INK, linewidth=0.9))
    x, y = points[-1]
    axes.add_patch(Polygon([(x - 2.6, y - 5), (x + 2.6, y - 5), (x, y)], facecolor=INK, edgecolor="none"))
