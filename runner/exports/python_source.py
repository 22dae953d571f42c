"""Writes a model as Python that needs torch and nothing else: its layers, and what is called on them in which order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_unflatten
from xprun.plugins.tensor_groups import Tensors, arguments_of
from xprun.runner.exports.exported_program import export_program
from xprun.runner.exports.layer_source import parts_of_chain, source_of

INDENT = " " * 8
KNOWN = {"getattr", "torch", "nn", "inf", "nan", "device", "math", "operator"}  # that the code may use; see `IMPORTS`
IMPORTS = {  # that code may need, by the names in it
    "math": "import math",
    "operator": "import operator",
    "inf": "from math import inf",
    "nan": "from math import nan",
    "device": "from torch import device",
}
FUNCTION = re.compile(r"\btorch\._C\._nn\.(\w+)")
FREED = re.compile(r";  (\w+ = )+None$", re.MULTILINE)  # variables that are not used any more


class NotPythonError(Exception):
    """A model cannot be written in one of the ways that there are."""


def sources_of(module: nn.Module, inputs: Tensors) -> list[Callable[[], str]]:
    """Return functions that each return the source of a class `Model` like a module, the most readable one first.

    A chain of layers; layers and what a trace saw called; or operations of ATen, which `torch.export` records on the
    inputs. Each raises whatever torch raises where it cannot be done, or NotPythonError.
    """
    return [lambda: _chain(module), lambda: _layers(module), lambda: _operations(module, inputs)]


def _chain(module: nn.Module) -> str:
    parts = parts_of_chain(module, INDENT + "    ") if type(module) is nn.Sequential else None
    if parts is None:
        raise NotPythonError("not a chain of layers of torch.nn")
    layers = "".join(f"{INDENT}    {part},\n" for part in parts)
    return f"class Model(nn.Sequential):\n    def __init__(self):\n{INDENT}super().__init__(\n{layers}{INDENT})\n"


class _Tracer(fx.Tracer):
    """Sees layers that can be written as a whole, and in everything else what is called."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._whole = {part for part in module.modules() if source_of(part)}  # now: a trace takes down such looks

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return m in self._whole


def _layers(module: nn.Module) -> str:
    return _class_of(module, _Tracer(module).trace(module))


def _operations(module: nn.Module, inputs: Tensors) -> str:
    program = export_program(module, inputs)
    traced = program.module(check_guards=False)
    graph = traced.graph
    graph.set_codegen(fx.graph.CodeGen())
    for node in graph.nodes:
        if node.op == "output":
            node.args = (tree_unflatten(node.args[0], program.call_spec.out_spec),)
    _name_like(graph, inputs)
    return _class_of(traced, graph)


def _name_like(graph: fx.Graph, inputs: Tensors) -> None:
    """Call the arguments of a graph by the names that the model's have, where these are told."""
    _, kwargs = arguments_of(inputs)
    for node, name in zip((node for node in graph.nodes if node.op == "placeholder"), kwargs, strict=False):
        node.target = name


def _class_of(module: nn.Module, graph: fx.Graph) -> str:
    """Return the class of a graph: the layers and tensors of a module that it uses, and the code of its calls."""
    for node in graph.nodes:
        node.type = None
    code = graph.python_code("self")
    body = FUNCTION.sub(_public, FREED.sub("", code.src).strip()).replace("\n", "\n    ")
    if unknown := {name for name in code.globals.keys() - KNOWN if re.search(rf"\b{name}\b", body)}:
        raise NotPythonError(f"it calls {', '.join(sorted(unknown))}")
    return "class Model(nn.Module):\n" + _constructor(module, graph) + "\n    " + body + "\n"


def _public(function: re.Match[str]) -> str:
    """Return the name by which the documentation knows a function of torch."""
    same = getattr(nn.functional, function[1], None) is getattr(torch._C._nn, function[1])
    return f"nn.functional.{function[1]}" if same else function[0]


def _constructor(module: nn.Module, graph: fx.Graph) -> str:
    lines = ["    def __init__(self):", f"{INDENT}super().__init__()"]
    made = {""}
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr") and node.target not in made:
            made.add(node.target)
            home, _, name = node.target.rpartition(".")
            lines += _holders(home, made)
            lines.append(INDENT + _assignment(module, node, home, name))
    return "\n".join(lines) + "\n"


def _holders(home: str, made: set[str]) -> list[str]:
    """Return the lines that make the modules that only hold others, down to this one."""
    lines = []
    steps = home.split(".") if home else []
    for depth in range(1, len(steps) + 1):
        path = ".".join(steps[:depth])
        if path not in made:
            made.add(path)
            owner, name = _access(".".join(steps[: depth - 1])), steps[depth - 1]
            lines.append(INDENT + _assigned(owner, name, "nn.Module()"))
    return lines


def _assigned(owner: str, name: str, source: str) -> str:
    """Return the line that makes a module a part of another."""
    return f"{owner}.{name} = {source}" if name.isidentifier() else f'{owner}.add_module("{name}", {source})'


def _access(path: str) -> str:
    """Return how code in the class gets at a module."""
    found = "self"
    for step in path.split(".") if path else []:
        found = f"{found}.{step}" if step.isidentifier() else f'getattr({found}, "{step}")'
    return found


def _assignment(module: nn.Module, node: fx.Node, home: str, name: str) -> str:
    owner = _access(home)
    if node.op == "call_module":
        source = source_of(module.get_submodule(str(node.target)), INDENT)
        return _assigned(owner, name, str(source))
    tensor = getattr(module.get_submodule(home), name)
    if not isinstance(tensor, Tensor):
        raise NotPythonError(f"{node.target} is no tensor")
    empty = f"torch.empty({tuple(tensor.shape)}, dtype={tensor.dtype})"
    if isinstance(tensor, nn.Parameter):
        return f"{owner}.{name} = nn.Parameter({empty})"
    return f'{owner}.register_buffer("{name}", {empty})'


def imports_of(source: str) -> list[str]:
    """Return the imports that a class needs beside torch and nn."""
    return [line for name, line in IMPORTS.items() if re.search(rf"(?<![.\w]){name}\b(?!=)", source)]


def model_class(source: str) -> Any:
    """Return the class `Model` that a source defines, which may call torch and nothing else."""
    names: dict[str, Any] = {"torch": torch, "nn": nn}
    exec("\n".join([*imports_of(source), source]), names)
    return names["Model"]
