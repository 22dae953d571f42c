"""Makes a large graph readable: modules are shown as a whole, and what is in each kind of them as another graph."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from xprun.reports.data.described_models import ModelGraph, Node

MOST = 26  # boxes of a picture that one takes in
DETAILS = 3  # kinds of modules whose insides are shown


def folded(graph: ModelGraph) -> ModelGraph:
    """The graph with modules as single nodes, as deep as it has few boxes; at least the outermost ones are so."""
    deepest = max((_depth(path) for path in graph.modules), default=0)
    for depth in range(deepest, 0, -1):
        found = _folded_at(graph, depth)
        if len(found.nodes) <= MOST:
            return found
    return _folded_at(graph, 0)


def details(graph: ModelGraph) -> list[ModelGraph]:
    """What is in the modules that `folded` shows as a whole: the first of each kind, titled with how many there are."""
    shown, start = folded(graph), 0
    kinds: dict[object, list[ModelGraph]] = {}
    for node in shown.nodes:
        if node.inside > 1:
            part = _part(graph, node, start, start + node.inside)
            kinds.setdefault(_kind(part), []).append(part)
        start += node.inside or 1
    return [_titled(parts) for parts in list(kinds.values())[:DETAILS]]


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _folded_at(graph: ModelGraph, depth: int) -> ModelGraph:
    """The graph in which modules deeper than this, and what they call, are single nodes."""
    if len(graph.nodes) <= MOST:
        return graph
    numbers: dict[int, int] = {}
    nodes: list[Node] = []
    for module, group in groupby(enumerate(graph.nodes), lambda item: _owner(graph, item[1], depth)):
        part = list(group)
        for piece in [part] if module and len(part) > 1 else [[one] for one in part]:
            numbers |= {number: len(nodes) for number, _ in piece}
            inputs = dict.fromkeys(numbers[i] for _, node in piece for i in node.inputs)
            inputs.pop(len(nodes), None)
            last = replace(piece[-1][1], inputs=tuple(inputs))
            if len(piece) > 1:
                total = sum(node.parameters for _, node in piece)
                last = Node(graph.modules[module], module, "", tuple(inputs), last.shape, total, inside=len(piece))
            nodes.append(last)
    return replace(graph, nodes=tuple(nodes))


def _owner(graph: ModelGraph, node: Node, depth: int) -> str:
    """The module one deeper than `depth` in which a node is called; nothing where it stands for itself."""
    path = ".".join(node.path.split(".")[: depth + 1])
    return path if _depth(path) == depth + 1 and path in graph.modules else ""


def _part(graph: ModelGraph, module: Node, start: int, stop: int) -> ModelGraph:
    """The nodes of a module as a graph, which begins with what it is given and ends with what it gives."""
    inner = graph.nodes[start:stop]
    outer = list(dict.fromkeys(i for node in inner for i in node.inputs if i < start))
    numbers = {old: new for new, old in enumerate([*outer, *range(start, stop)])}
    inside = f"{module.path}."
    nodes = [Node("input", "", "", (), graph.nodes[i].shape, 0) for i in outer]
    nodes += [
        replace(node, path=node.path.removeprefix(inside), inputs=tuple(numbers[i] for i in node.inputs))
        for node in inner
    ]
    nodes.append(Node("output", "", "", (len(nodes) - 1,), nodes[-1].shape, 0))
    modules = {path.removeprefix(inside): name for path, name in graph.modules.items() if path.startswith(inside)}
    return ModelGraph(f"{module.path}: {module.op}", tuple(nodes), modules, module.parameters, module.parameters)


def _kind(graph: ModelGraph) -> object:
    """What two modules of one kind have in common: what they call, and how that hangs together."""
    return tuple((node.op, node.inputs) for node in graph.nodes)


def _titled(parts: list[ModelGraph]) -> ModelGraph:
    more = f", and {len(parts) - 1} more like it" if len(parts) > 1 else ""
    return replace(parts[0], title=f"{parts[0].title}{more}")


def distinct(graphs: list[ModelGraph]) -> Iterator[ModelGraph]:
    """Yield each graph once, under the titles of all that look alike."""
    alike: dict[object, list[ModelGraph]] = {}
    for graph in graphs:
        alike.setdefault(graph.nodes, []).append(graph)
    for same in alike.values():
        yield replace(same[0], title=", ".join(dict.fromkeys(graph.title for graph in same)))
