"""Where the boxes of a graph lie, from top to bottom, and how the lines between them run: a layered drawing.

Source: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures, 1981.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linprog

SWEEPS = 8
APART = 14.0  # between neighbours in a layer, in points
BELOW = 24.0  # between two layers: there is a shape in it
LANE = 6.0  # the width of a line that passes a layer
STRAIGHT = 8.0  # what a bend weighs between two boxes, or in the course of one line, beside one where it meets a box

Edge = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """A drawing of a graph: `x` of the middle and `y` of the top of each box, and how large it is, in points.

    `lanes`: where the line of an edge passes layers without a box: x, top and bottom of each.
    """

    x: list[float]
    y: list[float]
    lanes: dict[Edge, list[tuple[float, float, float]]]
    width: float
    height: float


def layered(sizes: list[tuple[float, float]], edges: list[Edge]) -> Layout:
    """The drawing of boxes (width, height) and of distinct edges, each from an earlier box to a later one."""
    count = len(sizes)
    ranks = ranks_of(count, edges)
    layers: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
    for box, rank in enumerate(ranks):
        layers[rank].append(box)
    widths, lanes, links = [width for width, _ in sizes], dict[Edge, list[int]](), list[Edge]()
    for start, end in edges:
        passed = range(ranks[start] + 1, ranks[end])
        lanes[start, end] = list(range(len(widths), len(widths) + len(passed)))
        widths += [LANE] * len(passed)
        for rank, lane in zip(passed, lanes[start, end], strict=True):
            layers[rank].append(lane)
        links += pairwise([start, *lanes[start, end], end])
    _uncross(layers, links)
    x = _across(layers, links, widths, count)
    heights = [max(sizes[box][1] for box in layer if box < count) for layer in layers]
    tops = [sum(heights[:rank]) + rank * BELOW for rank in range(len(layers))]
    left = min(place - width / 2 for place, width in zip(x, widths, strict=True))
    right = max(place + width / 2 for place, width in zip(x, widths, strict=True))
    passing = {
        edge: [(x[lane] - left, tops[rank], tops[rank] + heights[rank]) for rank, lane in enumerate(found, first)]
        for edge, found in lanes.items()
        for first in [ranks[edge[0]] + 1]
    }
    return Layout(
        [place - left for place in x[:count]],
        [tops[rank] for rank in ranks],
        passing,
        right - left,
        tops[-1] + heights[-1],
    )


def ranks_of(count: int, edges: list[Edge]) -> list[int]:
    """The layer of each box: one below the lowest of those that it follows."""
    ranks = [0] * count
    for start, end in sorted(edges, key=lambda edge: edge[1]):
        ranks[end] = max(ranks[end], ranks[start] + 1)
    return ranks


def _uncross(layers: list[list[int]], links: list[Edge]) -> None:
    """Order each layer by the mean place of those above, then of those below, in turn: few lines cross then."""
    above, below = _neighbours(links)
    for sweep in range(SWEEPS):
        order, beside = (layers, above) if sweep % 2 == 0 else (layers[::-1], below)
        for before, layer in pairwise(order):
            place = {box: i for i, box in enumerate(before)}
            means = {
                box: float(np.mean([place[one] for one in beside[box]])) if beside[box] else float(i)
                for i, box in enumerate(layer)
            }
            layer.sort(key=means.__getitem__)


def _across(layers: list[list[int]], links: list[Edge], widths: list[float], boxes: int) -> list[float]:
    """The middle of each box and lane: apart from its neighbours, and so that links lead straight down.

    A linear program: the least sum of weight x |x of one end - x of the other|. Source: Gansner, Koutsofios, North and
    Vo, A technique for drawing directed graphs, 1993, section 4.
    """
    count = len(widths)
    apart = [(left, right) for layer in layers for left, right in pairwise(layer)]
    rows = np.zeros((len(apart) + 2 * len(links), count + len(links)))  # of x, then of the lengths across of links
    limits = np.zeros(len(rows))
    for row, (left, right) in enumerate(apart):
        rows[row, [left, right]] = 1, -1
        limits[row] = -((widths[left] + widths[right]) / 2 + APART)
    for number, (start, end) in enumerate(links):
        for sign in (1, -1):
            row = len(apart) + 2 * number + (sign < 0)
            rows[row, [start, end, count + number]] = sign, -sign, -1
    bends = [1.0 if (start < boxes) != (end < boxes) else STRAIGHT for start, end in links]
    found = linprog(np.array([0.0] * count + bends), rows, limits, bounds=[(0, None)] * rows.shape[1])
    return [float(place) for place in found.x[:count]]


def _neighbours(links: list[Edge]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above, below = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for start, end in links:
        above[end].append(start)
        below[start].append(end)
    return above, below
