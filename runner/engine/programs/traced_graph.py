"""Takes out of a traced graph what changes nothing and costs a call in each step."""

from __future__ import annotations

from typing import Any

import torch

NO_OPS = {torch.ops.aten.detach.default, torch.ops.aten.alias.default}
VIEWS = {torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default, torch.ops.aten.expand.default}


def without_no_ops(graph_module: Any) -> Any:
    """Return the traced program without the views that change nothing, each of which costs a call."""
    graph = graph_module.graph
    for node in graph.nodes:
        if node.op == "call_function" and (node.target in NO_OPS or _same_view(node)):
            node.replace_all_uses_with(node.args[0])
    graph.eliminate_dead_code()
    graph_module.recompile()
    return graph_module


def _same_view(node: Any) -> bool:
    if node.target not in VIEWS:
        return False
    before, after = node.args[0].meta.get("val"), node.meta.get("val")
    before = before if before is not None else node.args[0].meta.get("tensor_meta")
    after = after if after is not None else node.meta.get("tensor_meta")
    return before is not None and after is not None and before.shape == after.shape
