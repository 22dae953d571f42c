"""The graph of a model as TensorBoard reads it: a `GraphDef`, in which names tell which module calls what."""

from __future__ import annotations

from collections import Counter
from typing import Any


def graph_definition(graph: dict[str, Any]) -> bytes:
    """Return a graph, as observers are told it, for the GRAPHS tab: modules can be opened there.

    Each node has the shapes that it puts out, -1 for the rows, its settings and how many parameters it has.
    """
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    names = _names(graph)
    nodes = [
        NodeDef(name=name, op=node["op"], input=[names[i] for i in node["inputs"]], attr=_attributes(node))
        for name, node in zip(names, graph["nodes"], strict=True)
    ]
    definition: bytes = GraphDef(node=nodes, versions=VersionDef(producer=22)).SerializeToString()
    return definition


def _names(graph: dict[str, Any]) -> list[str]:
    """Return a name for each node: the place of a layer and its class, or of a module and the function it calls.

    `layer1/0/conv1/Conv2d`, so that no node is called like a module, which holds others.
    """
    found: list[str] = []
    seen: Counter[str] = Counter()
    for node in graph["nodes"]:
        name = "/".join(filter(None, (*node["path"].split("."), node["op"])))
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name] - 1}")
    return found


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    shapes = [
        TensorShapeProto(dim=[TensorShapeProto.Dim(size=-1 if size == "N" else size) for size in shape])
        for shape in node["shapes"]
    ]
    told = {"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=shapes))}
    told |= {"settings": AttrValue(s=node["detail"].encode())} if node["detail"] else {}
    return told | ({"parameters": AttrValue(i=node["parameters"])} if node["parameters"] else {})
