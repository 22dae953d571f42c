"""What `models.json` says of the models of a folder: the graph of each one's forward pass."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xprun.reports.data.described_file import read_described


@dataclass(frozen=True)
class Node:
    """A layer or a function that a model calls; see `model_graph.graph_of` of the runner.

    `shape` is that of the first tensor that it puts out, as text; `inputs` are numbers of earlier nodes. `inside`: how
    many calls it stands for, where it is a module that is shown as a whole.
    """

    op: str
    path: str
    detail: str
    inputs: tuple[int, ...]
    shape: str
    parameters: int
    inside: int = 0


@dataclass(frozen=True)
class ModelGraph:
    """The calls of a model's forward pass, in their order: inputs first, the output last.

    `modules`: the classes of the modules that hold others, by path. `parameters` are all, `trainable` those trained.
    """

    title: str
    nodes: tuple[Node, ...]
    modules: dict[str, str]
    parameters: int
    trainable: int


def read_graphs(path: Path) -> list[ModelGraph]:
    """The graphs in a file; none where it is absent, or holds something else."""
    return read_described(path, _graph)


def _graph(content: dict[str, Any]) -> ModelGraph:
    nodes = tuple(_node(number, one) for number, one in enumerate(content["nodes"]))
    modules = {str(path): str(name) for path, name in content["modules"].items()}
    return ModelGraph(str(content["title"]), nodes, modules, int(content["parameters"]), int(content["trainable"]))


def _node(number: int, content: dict[str, Any]) -> Node:
    inputs = tuple(int(one) for one in content["inputs"])
    if not all(0 <= one < number for one in inputs):
        raise ValueError(f"node {number} has inputs that do not come before it")
    op, path, detail = (str(content[name]) for name in ("op", "path", "detail"))
    return Node(op, path, detail, inputs, _shape(content["shapes"][0]), int(content["parameters"]))


def _shape(sizes: list[Any]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(map(str, sizes)) or "scalar"
