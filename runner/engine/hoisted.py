"""What of a step depends on its number and on settings alone, and can be computed for all steps of a block at once.

`beta**t` is such a number; left in the step, a compiler computes it anew for each parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node

aten = torch.ops.aten
LIKE_POINTWISE = (aten._to_copy.default, aten.clone.default, aten.detach.default, aten.alias.default)


class Hoisted(nn.Module):
    """Makes numbers of the steps `t` [n] and the settings, [columns, 1] or [n, columns, 1]: [n] or [n, columns, 1]."""

    def __init__(self, graph: GraphModule, made: list[Tensor]) -> None:
        super().__init__()
        self.graph = graph
        self.kinds = [(value.dim(), value.dtype) for value in made]

    def forward(self, t: Tensor, *settings: Tensor) -> list[Tensor]:
        found = self.graph(t.view(-1, 1, 1), *settings)
        return [
            (value if dim else value.flatten()).to(dtype) for value, (dim, dtype) in zip(found, self.kinds, strict=True)
        ]


def hoist(step: GraphModule, first: int, moves: list[bool]) -> tuple[Hoisted, GraphModule]:
    """Return what makes such numbers, and the step that takes these as its last inputs.

    The first input of the step is its number, and those from the place `first` on are settings, of which some have a
    value for each step: `moves`. Settings are [columns, 1]; of another shape, they are left alone. Nothing but
    pointwise operations is taken out.
    """
    graph = step.graph
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    work = _Work(Graph(), inputs[0], dict(zip(inputs[first : first + len(moves)], moves, strict=True)))
    for node in graph.nodes:
        work.look_at(node)
    made = [node for node in work.moving if any(user not in work.moving for user in node.users)]
    work.before.output(tuple(work.copies[node] for node in made))
    for i, node in enumerate(made):
        with graph.inserting_after(inputs[-1]):
            inputs.append(graph.placeholder(f"made_{i}"))
        node.replace_all_uses_with(inputs[-1], delete_user_cb=lambda user: user not in work.moving)
    graph.eliminate_dead_code()
    step.recompile()
    return Hoisted(GraphModule(step, work.before), [node.meta["val"] for node in made]), step


@dataclass
class _Work:
    """The graph that is made, and which nodes of the step it has copies of.

    `moving` are those that depend on the step, `still` those that could be copied if one needs them.
    """

    before: Graph
    t: Node
    settings: dict[Node, bool]  # and whether they depend on the step
    copies: dict[Node, Node] = field(default_factory=dict)
    moving: dict[Node, None] = field(default_factory=dict)
    still: set[Node] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in (self.t, *self.settings):
            self.copies[node] = self.before.placeholder(node.name)
        self.still.update(node for node, moves in self.settings.items() if not moves and _is_small(node))
        self.of_step = {self.t, *(node for node, moves in self.settings.items() if moves)}

    def look_at(self, node: Node) -> None:
        needs = node.all_input_nodes
        if node.op == "get_attr" or (node.op == "call_function" and not needs and _is_small(node)):
            self.still.add(node)
        elif node.op == "call_function" and needs and _is_pointwise(node) and _is_small(node):
            if all(one in self.still for one in needs):
                self.still.add(node)
            elif all(one in self.of_step or one in self.moving or one in self.still for one in needs):
                self.moving[node] = None
                self._copy(node)

    def _copy(self, node: Node) -> Node:
        if node not in self.copies:
            for needed in node.all_input_nodes:
                self._copy(needed)
            self.copies[node] = self.before.node_copy(node, self.copies.__getitem__)
        return self.copies[node]


def _is_pointwise(node: Node) -> bool:
    kind = node.target
    return isinstance(kind, OpOverload) and (torch.Tag.pointwise in kind.tags or kind in LIKE_POINTWISE)


def _is_small(node: Node) -> bool:
    """Whether a node is one number, or one for each column."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and (value.dim() == 0 or (value.dim() == 2 and value.shape[1] == 1))
