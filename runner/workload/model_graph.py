"""The graph of a model's forward pass: what it calls on a few rows, in their order, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from xprun.plugins.tensor_groups import Tensors, call, count_rows, first_rows, tensors_in
from xprun.runner.workload.device_generators import own_draws
from xprun.runner.workload.layer_settings import in_short
from xprun.runner.workload.workload import Workload

Node = dict[str, Any]
# Modules of torch.nn that only hold others, whose parts are shown in their place.
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
ROWS = 2  # that are passed through a model
LONGEST = 120  # letters of a layer's settings


def graph_of(module: nn.Module, inputs: Tensors) -> dict[str, Any]:
    """Return the graph of a module, ready to be measured, on rows [N, ...]: `nodes`, `modules` and its parameters.

    A node is a layer or a function that is called on what comes of the inputs: `op`, `path` (of the layer, or of the
    module that calls the function), `detail` (the settings of a layer), `inputs` (numbers of nodes), `shapes` (of each
    tensor it puts out, "N" for the rows) and `parameters` (how many it is the first to use). The first nodes are the
    inputs, the last one is the `output`. `modules` are the classes of the modules that hold others, by path.
    """
    recorder = _Recorder(module, count_rows(inputs))
    for number, tensor in enumerate(tensors_in(inputs)):
        name = [*inputs][number] if isinstance(inputs, dict) else ""
        recorder.add("input", name, "", [], tensor)
    handles = recorder.attach()
    try:
        with torch.no_grad(), own_draws(tensors_in(inputs)[0].device), recorder:
            outputs = call(module, inputs)
    finally:
        for handle in handles:
            handle.remove()
    recorder.add("output", "", "", tree_leaves(outputs), outputs)
    return {
        "nodes": _reached(recorder.nodes),
        "modules": {
            name: type(m).__name__ for name, m in module.named_modules() if name and any(True for _ in m.children())
        },
        "parameters": sum(p.numel() for p in module.parameters()),
        "trainable": sum(p.numel() for p in module.parameters() if p.requires_grad),
    }


def graph_of_model(work: Workload) -> dict[str, Any] | None:
    """Return the graph of a workload's model; None for an objective, and where inputs have no effect on the output."""
    if work.registry.find("model", work.model.name).is_objective:
        return None
    graph = graph_of(work.make_model(0).eval(), first_rows(work.train.inputs, ROWS))
    return graph if graph["nodes"][-1]["op"] == "output" else None


class _Recorder(TorchFunctionMode):
    """Takes down what is called on the tensors that come of the inputs: layers as a whole, and functions elsewhere."""

    def __init__(self, module: nn.Module, rows: int) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._module, self._rows = module, rows
        self._path = [""]  # of the modules that are being called, the innermost last
        self._layer: nn.Module | None = None  # that is being called, whose insides are not shown
        self._from: dict[int, int] = {}  # a tensor's node, by the tensor's id
        self._with: dict[int, set[int]] = {id(p): {id(p)} for p in module.parameters()}  # parameters in a tensor
        self._sizes = {id(p): p.numel() for p in module.parameters()}
        self._alive: list[Any] = []  # so that no other tensor gets an id

    def attach(self) -> list[Any]:
        """Watch the modules; return the handles by which that ends."""
        handles = []
        for path, module in self._module.named_modules():
            handles.append(module.register_forward_pre_hook(self._entering(path)))
            handles.append(module.register_forward_hook(self._leaving(path), with_kwargs=True))
        return handles

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._layer is None:
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            name, changed = _name_of(func), result
            if name == "setitem":
                changed = given[0]
            elif any(result is tensor for tensor in given) and not name.endswith("_"):
                return result  # nothing was done
            self.add(name.rstrip("_"), self._path[-1], "", given, changed)
        return result

    def add(self, op: str, path: str, detail: str, given: list[Any], result: Any) -> None:
        """Take down a call. One on which no input has an effect is no node: its parameters count where it is used."""
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if not tensors:
            return
        used = set().union(*(self._with.get(id(one), set()) for one in given if id(one) not in self._from))
        sources = list(dict.fromkeys(self._from[id(one)] for one in given if id(one) in self._from))
        self._alive += tensors
        if not sources and op != "input":
            self._with |= {id(tensor): used for tensor in tensors}
            return
        new = used & self._sizes.keys()
        node = {"op": op, "path": path, "detail": detail, "inputs": sources, "shapes": list(map(self._shape, tensors))}
        self.nodes.append(node | {"parameters": sum(self._sizes.pop(one) for one in new)})
        self._from |= {id(tensor): len(self.nodes) - 1 for tensor in tensors}

    def _shape(self, tensor: Tensor) -> list[int | str]:
        sizes: list[int | str] = list(tensor.shape)
        return ["N", *sizes[1:]] if sizes and sizes[0] == self._rows else sizes

    def _entering(self, path: str) -> Callable[..., None]:
        def enter(module: nn.Module, args: Any) -> None:
            if self._layer is None:
                self._path.append(path)
                if path and _is_layer(module):
                    self._layer = module

        return enter

    def _leaving(self, path: str) -> Callable[..., None]:
        def leave(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            if self._layer is module:
                self._layer = None
                given = [*tree_leaves((args, kwargs)), *module.parameters()]
                self.add(type(module).__name__, path, _settings_of(module), given, result)
            if self._layer is None:
                self._path.pop()

        return leave


def _is_layer(module: nn.Module) -> bool:
    """Whether a module is shown as a whole: one without parts, or a layer of torch.nn that is no mere container."""
    layers = [base for base in type(module).__mro__ if base.__module__.startswith("torch.nn.modules")]
    is_whole = layers[0] is not nn.Module and not isinstance(module, CONTAINERS)
    return is_whole or not any(True for _ in module.children())


def _settings_of(module: nn.Module) -> str:
    text = in_short(module) if not any(True for _ in module.children()) else ""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _name_of(func: Any) -> str:
    """Return a function as a reader knows it: `add` for `Tensor.__add__`, `mT` for the getter of that attribute."""
    name = str(getattr(func, "__name__", func))
    if name == "__get__":
        name = str(getattr(func.__self__, "__name__", "attribute"))
    return name.strip("_") if name.startswith("__") else name


def _reached(nodes: list[Node]) -> list[Node]:
    """Return the nodes that have an effect on the output, numbered anew, and all inputs."""
    wanted = {len(nodes) - 1, *(number for number, node in enumerate(nodes) if node["op"] == "input")}
    for number in reversed(range(len(nodes))):
        if number in wanted:
            wanted.update(nodes[number]["inputs"])
    numbers = {old: new for new, old in enumerate(sorted(wanted))}
    return [nodes[old] | {"inputs": [numbers[one] for one in nodes[old]["inputs"]]} for old in numbers]
