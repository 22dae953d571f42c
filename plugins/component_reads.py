"""What a component is made of beside the file that defines it, so that its runs are trained again when that changes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from xprun.plugins.followed_imports import Reads, follow
from xprun.plugins.live_values import reads_of_function
from xprun.plugins.own_modules import OwnModule, is_own
from xprun.plugins.registry import Component, Registry


def reads_of(registry: Registry, component: Component) -> Reads:
    """Return what a component reads beside its own file: what the file of components that has registered it reads.

    Of a component of an installed distribution, or of a Python program, it is what the modules read that define and
    register it, where they are the user's own; of a cell of a notebook, the values that it refers to. Built-in ones
    and those of torch are known by version and text.
    """
    origin = component.origin
    if origin.source in registry.reads:
        reads, plugin = registry.reads[origin.source], registry.files[origin.source]
        elsewhere = origin.file != origin.source  # it was defined in a module that the file has imported
        return _with(reads, OwnModule(plugin.path.stem, plugin.path, plugin.text, False)) if elsewhere else reads
    if origin.module.startswith("xprun.") or not origin.line:
        return Reads()
    if not Path(origin.file).is_file():
        return reads_of_function(component.signature)
    places = {name: place for name in (origin.module, component.made_in) if (place := _file_of(name))}
    code = [(str(file), _package_of(name), file.read_bytes()) for name, file in places.items()]
    reads = follow(code)
    for name, file in places.items():
        if str(file) != origin.file:
            reads = _with(reads, OwnModule(name, file, file.read_bytes(), False))
    reads.modules = {name: module for name, module in reads.modules.items() if str(module.file) != origin.file}
    return reads


def _with(reads: Reads, module: OwnModule) -> Reads:
    return replace(reads, modules={**reads.modules, module.name: module})


def _file_of(module: str) -> Path | None:
    """Return the file of a module that is imported, if it is one of the user's own."""
    name = getattr(sys.modules.get(module), "__file__", None)
    file = Path(name) if name else None
    return file if file and file.suffix == ".py" and file.is_file() and is_own(file) else None


def _package_of(module: str) -> str:
    return getattr(sys.modules[module], "__package__", None) or ""
