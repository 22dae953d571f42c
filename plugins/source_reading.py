"""Reads the classes of an installed package from its sources, without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, reduce
from inspect import Parameter
from operator import or_
from pathlib import Path
from typing import Any, Literal

from xprun.plugins.python_packages import find_package

PLAIN: dict[str, Any] = {"float": float, "int": int, "bool": bool, "str": str, "None": None}
LEFT_OUT = ("numpy", "torch")  # packages in which nothing is looked up
REQUIRED = ("torch.optim.optimizer", "required")  # a default that stands for none
Outside = tuple[str, str]  # a module of another package, and a name in it


class NotPlainError(Exception):
    """An annotation or a default is nothing that a spec can hold."""


@dataclass(frozen=True, eq=False)
class SourceClass:
    """A class statement and the module in which it stands."""

    module: SourceModule
    node: ast.ClassDef

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""

    def ancestors(self) -> Iterator[SourceClass | Outside]:
        """Yield the class itself and its bases, depth first, those of other packages as module and name."""
        yield self
        for base in self.node.bases:
            found = self.module.resolve(ast.unparse(base))
            if isinstance(found, SourceClass):
                yield from found.ancestors()
            elif isinstance(found, tuple):
                yield found

    def method(self, name: str) -> tuple[SourceModule, ast.FunctionDef] | None:
        """Return the definition of a method, its own or the nearest inherited one of the package, with its module."""
        for ancestor in self.ancestors():
            if not isinstance(ancestor, SourceClass):
                return None  # what another package defines is not known here
            for node in ancestor.node.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return ancestor.module, node
        return None


@dataclass(eq=False)
class SourcePackage:
    """The modules of an installed package, and of those beside it, each parsed when something in it is asked for."""

    name: str
    folder: Path
    modules: dict[str, SourceModule | None] = field(default_factory=dict)

    def module(self, name: str) -> SourceModule | None:
        """Return a module by its full name, or None where there is no such source file."""
        if name not in self.modules:
            self.modules[name] = self._find(name)
        return self.modules[name]

    def _find(self, name: str) -> SourceModule | None:
        place = self.folder.parent.joinpath(*name.split("."))
        for file, package in ((place / "__init__.py", name), (place.with_suffix(".py"), name.rpartition(".")[0])):
            if file.is_file():
                return SourceModule(self, name, package, file)
        return None


@dataclass(eq=False)
class SourceModule:
    """A source file. `package`: that to which its relative imports are relative."""

    owner: SourcePackage
    name: str
    package: str
    file: Path

    @cached_property
    def names(self) -> dict[str, ast.stmt | Outside]:
        """What stands at the top level, by name: statements that define it, or module and name of an import."""
        found: dict[str, ast.stmt | Outside] = {}
        for node in _statements(ast.parse(self.file.read_bytes()).body):
            match node:
                case ast.ClassDef(name=name):
                    found[name] = node
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    found[name] = node
                case ast.ImportFrom(names=[ast.alias(name="*")]):
                    home = self._absolute(node)
                    inside = self.owner.module(home)
                    found |= {name: (home, name) for name in (inside.names if inside else ()) if name[0] != "_"}
                case ast.ImportFrom(names=aliases):
                    home = self._absolute(node)
                    found |= {alias.asname or alias.name: (home, alias.name) for alias in aliases}
                case ast.Import(names=aliases):
                    pairs = [(alias.asname or alias.name.partition(".")[0], alias) for alias in aliases]
                    found |= {name: (alias.name if alias.asname else name, "") for name, alias in pairs}
        return found

    def resolve(self, dotted: str) -> SourceClass | ast.expr | Outside | None:
        """Return what a name means here: a class, the value of an assignment, or something of another package."""
        name, _, rest = dotted.partition(".")
        match self.names.get(name):
            case ast.ClassDef() as node:
                return SourceClass(self, node)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                return value
            case (str(home), str(attribute)):
                module, last = (home, rest or attribute) if not attribute or not rest else (f"{home}.{attribute}", rest)
                inside = None if module.partition(".")[0] in LEFT_OUT else self.owner.module(module)
                return inside.resolve(last) if inside else (module, last)
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parents = self.package.split(".")
        return ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])

    def annotation(self, node: ast.expr | None) -> Any:
        """Return the type that an annotation means, as far as a spec can hold its values.

        Of a union the members that it cannot hold are left out. Raises NotPlainError where nothing is left.
        """
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Constant(value=str(text)):
                return self.annotation(ast.parse(text, mode="eval").body)
            case ast.Name(id=name) if name in PLAIN:
                return PLAIN[name]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._union([left, right])
            case ast.Subscript(value=generic, slice=inner):
                items = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
                return self._subscript(ast.unparse(generic).rpartition(".")[2].lower(), items)
            case ast.Name() | ast.Attribute():
                found = self.resolve(ast.unparse(node))
                if isinstance(found, ast.expr):
                    return self.annotation(found)
        raise NotPlainError

    def _subscript(self, generic: str, items: list[ast.expr]) -> Any:
        match generic:
            case "optional":
                return self._union([*items, ast.Constant(None)])
            case "union":
                return self._union(items)
            case "literal":
                return Literal[tuple(map(ast.literal_eval, items))]
            case "tuple" if not any(isinstance(item, ast.Constant) and item.value is ... for item in items):
                return tuple[tuple(map(self.annotation, items))]  # type: ignore[misc]
            case "tuple" | "list" | "sequence" | "iterable":
                return list[self.annotation(items[0])]  # type: ignore[misc]
        raise NotPlainError

    def _union(self, items: list[ast.expr]) -> Any:
        members = []
        for item in items:
            try:
                members.append(self.annotation(item))
            except NotPlainError:
                continue
        if not members or members == [None]:
            raise NotPlainError
        return reduce(or_, members)


def open_package(name: str) -> SourcePackage | None:
    """Return the sources of a top-level package that is installed; nothing of it is imported."""
    found = find_package(name)
    places = list(found.submodule_search_locations or []) if found else []
    return SourcePackage(name, Path(places[0])) if places else None


def read_parameters(module: SourceModule, function: ast.FunctionDef) -> list[Parameter]:
    """Return the named parameters of a method after `self`, in the types of a spec.

    An annotation that a spec cannot hold is replaced by the type of the default; where there is no default it stays
    an `ast.expr`, as a default does that is no value of a spec.
    """
    given = function.args
    named = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(named) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(named[1:], defaults[1:], strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [_parameter(module, argument, default) for argument, default in pairs]


def _parameter(module: SourceModule, argument: ast.arg, node: ast.expr | None) -> Parameter:
    default = _value(module, node)
    try:
        annotation = module.annotation(argument.annotation)
    except NotPlainError:
        annotation = argument.annotation if default is Parameter.empty and argument.annotation else _type_of(default)
    if default is None and annotation is not Any:
        annotation = annotation | None
    return Parameter(argument.arg, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _type_of(default: Any) -> Any:
    if isinstance(default, tuple) and default:
        return tuple[tuple(map(_type_of, default))]  # type: ignore[misc]
    return type(default) if isinstance(default, bool | int | float | str) else Any


def _value(module: SourceModule, node: ast.expr | None) -> Any:
    """Return the value of a default, or its expression where that is more than a constant."""
    found = module.resolve(node.id) if isinstance(node, ast.Name) else node
    if found is None or found == REQUIRED:
        return Parameter.empty
    try:
        return ast.literal_eval(found) if isinstance(found, ast.expr) else node
    except ValueError:
        return node


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those under `if` and `try` too."""
    for node in body:
        match node:
            case ast.If(body=inner):
                yield from _statements(inner)
            case ast.Try(body=inner):
                yield from _statements(inner)
            case _:
                yield node
