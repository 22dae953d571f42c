"""Graphs of models are drawn from top to bottom, without boxes over boxes, and folded where they are large."""

from __future__ import annotations

from itertools import combinations

import pytest
from xprun.reports.data.described_models import ModelGraph, Node
from xprun.reports.figures.graph_folding import MOST, details, distinct, folded
from xprun.reports.figures.graph_layout import layered
from xprun.reports.figures.model_graphs import can_be_drawn, graph_figure, words_of


def chain(count: int, *skips: tuple[int, int]) -> list[tuple[int, int]]:
    return [*((i, i + 1) for i in range(count - 1)), *skips]


def blocks(count: int, title: str = "net") -> ModelGraph:
    """A model of residual blocks: five calls each, the last of which adds what came in."""
    nodes = [Node("input", "", "", (), "N", 0)]
    for block in range(count):
        start = len(nodes) - 1
        for place in range(4):
            nodes.append(Node("Linear", f"layers.{block}.inner.{place}", "3", (len(nodes) - 1,), "N", 12))
        nodes.append(Node("add", f"layers.{block}", "", (len(nodes) - 1, start), "N", 0))
    nodes.append(Node("output", "", "", (len(nodes) - 1,), "N", 0))
    modules = {"layers": "Sequential"} | {f"layers.{i}": "Block" for i in range(count)}
    modules |= {f"layers.{i}.inner": "Sequential" for i in range(count)}
    return ModelGraph(title, tuple(nodes), modules, 48 * count, 48 * count)


@pytest.mark.parametrize("edges", [chain(6), chain(6, (0, 4), (1, 3)), chain(3, (0, 2))])
def test_a_chain_is_straight_and_lines_past_it_keep_clear_of_its_boxes(edges: list[tuple[int, int]]) -> None:
    count = 1 + max(end for _, end in edges)
    layout = layered([(100.0, 20.0)] * count, edges)
    assert layout.x == pytest.approx([layout.x[0]] * count)
    assert layout.y == sorted(layout.y)
    for lanes in layout.lanes.values():
        assert len({x for x, _, _ in lanes}) <= 1
        assert all(abs(x - layout.x[0]) > 50 for x, _, _ in lanes)


def test_no_box_lies_over_another_and_all_lie_within_the_picture() -> None:
    edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 5), (4, 5), (0, 5)]
    sizes = [(60.0, 20.0), (100.0, 40.0), (80.0, 20.0), (100.0, 20.0), (40.0, 20.0), (50.0, 20.0)]
    layout = layered(sizes, edges)
    boxes = [(x - w / 2, y, x + w / 2, y + h) for x, y, (w, h) in zip(layout.x, layout.y, sizes, strict=True)]
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert min(box[0] for box in boxes) >= -1e-6
    assert max(box[2] for box in boxes) <= layout.width + 1e-6
    assert max(box[3] for box in boxes) == pytest.approx(layout.height)


def test_a_small_graph_is_shown_as_it_is() -> None:
    graph = blocks(2)
    assert folded(graph) == graph
    assert details(graph) == []


def test_a_large_graph_shows_its_blocks_as_a_whole_and_the_inside_of_each_kind_once() -> None:
    graph = blocks(14)
    shown = folded(graph)
    assert len(shown.nodes) <= MOST < len(graph.nodes)
    assert [node.path for node in shown.nodes if node.op == "Block"] == [f"layers.{i}" for i in range(14)]
    assert {(node.inside, node.parameters) for node in shown.nodes if node.inside} == {(5, 48)}
    assert [node.inputs for node in shown.nodes] == [(), *((i,) for i in range(15))]
    (inside,) = details(graph)
    assert inside.title == "layers.0: Block, and 13 more like it"
    assert [(node.op, node.path) for node in inside.nodes][:2] == [("input", ""), ("Linear", "inner.0")]
    assert inside.nodes[-2].inputs == (4, 0)


def test_models_that_look_alike_are_shown_once() -> None:
    assert [one.title for one in distinct([blocks(1, "a"), blocks(2, "b"), blocks(1, "c")])] == ["a, c", "b"]


def test_a_graph_without_modules_that_is_too_large_is_not_drawn() -> None:
    nodes = [Node("input", "", "", (), "N", 0), *(Node("add", "", "", (i,), "N", 0) for i in range(200))]
    assert not can_be_drawn(folded(ModelGraph("long", tuple(nodes), {}, 0, 0)))
    assert can_be_drawn(folded(blocks(14)))


def test_a_picture_has_the_name_the_parameters_and_the_shape_of_each_layer() -> None:
    figure = graph_figure(folded(blocks(14)))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"Block", "layers.0", "5 calls", "48 parameters", "N", "input", "output"} <= set(texts)
    assert words_of(blocks(1)) == "from input to output Linear, Linear, Linear, Linear, add"
