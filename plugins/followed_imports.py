"""What code reads by its import statements: modules of the user's own, and distributions by their versions."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from xprun.plugins.own_modules import IN_ENVIRONMENT, OpenedFile, OwnModule, TextLoader, is_of_python, is_own

IMPORTERS = ("import_module", "__import__")
FILE = re.compile(r"[^\n*?]{0,200}\.[A-Za-z0-9]{1,8}")  # a text that may be the name of a file


@dataclass
class Reads:
    """What code reads beside its own file: modules, versions of distributions, files; and what cannot be told."""

    modules: dict[str, OwnModule] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    opened: tuple[OpenedFile, ...] = ()
    values: dict[str, str] = field(default_factory=dict)  # hashes of what code in a notebook refers to, by name
    unknown: list[str] = field(default_factory=list)
    imports_by_computed_names: bool = False
    texts: dict[str, str] = field(default_factory=dict)  # what may be names of files, and where it is written

    @property
    def digests(self) -> dict[str, str]:
        """A hash, or a version, of each by the name that is shown."""
        modules = {module.shown: module.digest for module in self.modules.values()}
        return modules | self.versions | {file.shown: file.digest for file in self.opened} | self.values


def follow(code: Iterable[tuple[str, str, bytes]]) -> Reads:
    """Return what code reads by its import statements, those of the modules that it imports included.

    `code` are a name of the code, the package to which its relative imports are relative, and its text. What stands in
    functions counts, whether they are called or not.
    """
    reads = Reads()
    waiting = list(code)
    while waiting:
        name, package, text = waiting.pop()
        found = _Imports(name, package, text)
        reads.imports_by_computed_names |= found.computed_at_import
        reads.unknown += found.unknown
        reads.texts |= found.texts
        for wanted in found.names:
            for module in _look_up(wanted, reads):
                if module.name not in reads.modules:
                    reads.modules[module.name] = module
                    waiting.append(_code_of(module))
    return reads


def follow_recorded(reads: Reads, recorded: Iterable[OwnModule]) -> None:
    """Add modules that were seen being imported, where a name was computed so that no statement tells it."""
    if reads.imports_by_computed_names:
        more = [module for module in recorded if module.name not in reads.modules]
        reads.modules |= {module.name: module for module in more}
        for name, module in follow(map(_code_of, more)).modules.items():
            reads.modules.setdefault(name, module)


def _code_of(module: OwnModule) -> tuple[str, str, bytes]:
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    return str(module.file), package, module.content if module.file.suffix == ".py" else b""


def _look_up(name: str, reads: Reads) -> Iterator[OwnModule]:
    """Yield the own modules of a dotted name, its packages first; of a distribution's, note the version."""
    top = name.partition(".")[0]
    if top in IN_ENVIRONMENT:
        return
    parts = name.split(".")
    for dotted in (".".join(parts[: i + 1]) for i in range(len(parts))):
        spec = _spec_of(dotted)
        if spec is None:
            return  # a name in a module, or an import that fails
        if not spec.has_location or not spec.origin:
            continue  # a package without a file of its own
        file = Path(spec.origin)
        if is_of_python(file):
            return
        if not is_own(file) and (release := _release_of(top)):
            reads.versions |= release
            return
        try:
            content = _content(spec, file)
        except (OSError, AttributeError):
            reads.unknown.append(f"what {dotted} is made of ({spec.origin})")
            continue
        yield OwnModule(dotted, file, content, spec.submodule_search_locations is not None)


def _content(spec: ModuleSpec, file: Path) -> bytes:
    loader: Any = spec.loader
    if isinstance(loader, TextLoader):
        return loader.module.content  # as it was executed, whatever is in the file by now
    return bytes(file.read_bytes() if file.is_file() else loader.get_data(str(file)))


def _spec_of(name: str) -> ModuleSpec | None:
    """Return where a module is, or would be; nothing is imported for it."""
    module = sys.modules.get(name)
    if module is not None and getattr(module, "__spec__", None) is not None:
        return module.__spec__
    parent = name.rpartition(".")[0]
    above = _spec_of(parent) if parent else None
    if parent and (above is None or above.submodule_search_locations is None):
        return None
    path = list(above.submodule_search_locations or ()) if above else None
    for finder in sys.meta_path:
        with suppress(ImportError):
            found = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
            if found is not None:
                return found
    return None


def _release_of(top: str) -> dict[str, str]:
    """Return the distributions that a top-level module is of, with their versions; none: a file that was put there."""
    return {name: version(name) for name in _distributions().get(top, ())}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


class _Imports(ast.NodeVisitor):
    """The modules that a text imports, by full names; `unknown` are imports of which it does not tell the name."""

    def __init__(self, name: str, package: str, text: bytes) -> None:
        self.file, self.package = name, package
        self.names: dict[str, None] = {}
        self.unknown: list[str] = []
        self.texts: dict[str, str] = {}
        self.computed_at_import = False
        self._depth = 0
        with suppress(SyntaxError, ValueError):  # of a module that is never imported; else its import says so
            self.visit(ast.parse(text))

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= dict.fromkeys(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        home = self._absolute("." * node.level + (node.module or ""))
        self.names[home] = None
        for alias in node.names:
            below = _exported(home) if alias.name == "*" else [alias.name]
            self.names |= dict.fromkeys(f"{home}.{name}" for name in below)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":  # is never executed
            for inner in node.orelse:
                self.visit(inner)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if ast.unparse(node.func).rpartition(".")[2] not in IMPORTERS or not node.args:
            return
        match node.args[0]:
            case ast.Constant(value=str(name)):
                self.names[self._absolute(name)] = None
            case _ if self._depth:
                self.unknown.append(f"what {Path(self.file).name}:{node.lineno} imports under a computed name")
                self.computed_at_import = True  # perhaps: the function may be called meanwhile
            case _:
                self.computed_at_import = True

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and FILE.fullmatch(node.value):
            self.texts.setdefault(node.value, f"{Path(self.file).name}:{node.lineno}")

    def _absolute(self, name: str) -> str:
        level = len(name) - len(name.lstrip("."))
        parents = self.package.split(".")
        return ".".join([*parents[: len(parents) - level + 1], name.lstrip(".")]).strip(".") if level else name


def _exported(module: str) -> list[str]:
    """Return the names that `from module import *` may import as modules, as far as that is known."""
    return [str(name) for name in getattr(sys.modules.get(module), "__all__", ())]
