"""Where components come from: the built-in ones, torch's classes, installed distributions and files of the user."""

from __future__ import annotations

import glob
import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

from xprun.plugins import torch_api
from xprun.plugins.datasets.missing_files import FileChangedError
from xprun.plugins.entry_points import find_entry_points
from xprun.plugins.error_words import words_of
from xprun.plugins.followed_imports import Reads, follow, follow_recorded
from xprun.plugins.installed_plugins import Installed
from xprun.plugins.optimizers import packages
from xprun.plugins.own_modules import (
    FINDER,
    OpenedFile,
    OwnModule,
    forget,
    opened_files,
    pin,
    recording,
    unpin,
)
from xprun.plugins.registry import REGISTRY, PluginError, PluginFile, Registry
from xprun.plugins.user_signals import noted_signals

BUILT_IN = (
    "backends.tensorflow_backend",
    "datasets.csv_file",
    "datasets.digits",
    "datasets.line",
    "datasets.linear_regression",
    "datasets.polynomial",
    "datasets.sklearn_tables",
    "datasets.text",
    "datasets.thermometer",
    "losses.squared",
    "metrics.classification",
    "metrics.regression",
    "metrics.torchmetrics_scores",
    "metrics.truth",
    "models.classics",
    "models.layers",
    "models.linear",
    "models.sequence_layers",
    "models.sequences",
    "objectives.of_every_objective",
    "objectives.quadratics",
    "objectives.chains",
    "objectives.disturbed",
    "objectives.surfaces",
    "observers.mlflow_store",
    "observers.tensorboard",
    "observers.wandb_offline",
    "optimizers.textbook",
    "plots.scatter",
    "schedulers.basic",
    "searches.halving",
    "searches.optuna_samplers",
)


def open_registry(files: Iterable[Path | PluginFile] = ()) -> Registry:
    """Return the registry with all components, those in `files` included; installed plugins wait to be asked for.

    Nothing here imports torch. Raises PluginError for a file that cannot be imported.
    """
    for module in BUILT_IN:
        importlib.import_module(f"xprun.plugins.{module}")
    torch_api.register(REGISTRY)
    find_plugins(REGISTRY)
    several = tuple(files)
    forget(module.name for file in several for module in _modules_of(REGISTRY, file))
    for file in several:
        load_file(REGISTRY, file)
    return REGISTRY


def _modules_of(registry: Registry, file: Path | PluginFile) -> tuple[OwnModule, ...]:
    """Return the modules that a file of components has imported when it was executed before: they may register some."""
    known = file if isinstance(file, PluginFile) else registry.files.get(str(file))
    return known.modules if known else ()


@cache
def find_plugins(registry: Registry) -> None:
    """Add the plugins of installed distributions to a registry, once, and what is wrong with the distributions."""
    points, complaints = find_entry_points()
    registry.plugins += [Installed(point) for point in points]
    packages.register(registry)
    registry.complaints += complaints


def as_executed(registry: Registry, files: Iterable[Path]) -> tuple[Path | PluginFile, ...]:
    """Return the files of a registry with the text that was executed, for other processes to execute the same."""
    return tuple(registry.files.get(str(file), file) for file in files)


def load_file(registry: Registry, given: Path | PluginFile) -> None:
    """Import a Python file, whose decorators register its components; what it registered before is forgotten."""
    plugin = given if isinstance(given, PluginFile) else _read(given)
    file = plugin.path
    if isinstance(given, PluginFile):
        pin(plugin.modules)
    else:
        unpin()
    module = ModuleType(f"xprun_plugin_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    registry.forget(str(file))
    registry.files[str(file)] = plugin
    with noted_signals() as signals:
        try:
            with registry.attributing(str(file)), recording():
                # Not by an import: its bytecode cache takes a file that was changed twice in a second for unchanged.
                exec(compile(plugin.text, file, "exec", dont_inherit=True), vars(module))
        except PluginError:
            raise
        except BaseException as error:  # SystemExit, too: the end of a file is not ours
            if signals:
                raise
            raise PluginError(_reason(file, error)) from error
    if isinstance(given, PluginFile):
        _refuse_changed(plugin)
    else:
        reads = registry.reads[str(file)] = _reads_of_file(plugin)
        registry.files[str(file)] = replace(plugin, modules=tuple(reads.modules.values()), opened=reads.opened)


def _reads_of_file(plugin: PluginFile) -> Reads:
    """Return what a file of components, which has just been executed, reads beside its own text."""
    reads = follow([(str(plugin.path), "", plugin.text)])
    follow_recorded(reads, FINDER.recorded.values())
    reads.opened = _opened_by(plugin, reads.modules.values())
    reads.unknown += _named_files(plugin, reads)
    return reads


def _named_files(plugin: PluginFile, reads: Reads) -> Iterator[str]:
    """Yield the files that texts in the code name, and that its import has not opened: a component may, when called."""
    known = {file.path for file in reads.opened} | {module.file.resolve() for module in reads.modules.values()}
    beside = [plugin.path, *(module.file for module in reads.modules.values())]
    folders = list(dict.fromkeys([*(file.parent for file in beside), Path()]))
    for text, place in reads.texts.items():
        found = next((file for folder in folders for file in _called(text, folder)), None)
        if found and found.resolve() not in known:
            yield f"{text}, which {place} names"


def _called(text: str, folder: Path) -> Iterator[Path]:
    """Yield the files that a text names in a folder, or in folders below it whose names the code joins to it."""
    if (folder / text).is_file():
        yield folder / text
    elif not set("/\\") & set(text):
        name = glob.escape(text)
        yield from (file for below in ("*", "*/*") for file in folder.glob(f"{below}/{name}") if file.is_file())


def _opened_by(plugin: PluginFile, modules: Iterable[OwnModule]) -> tuple[OpenedFile, ...]:
    return opened_files(modules, (plugin.path.parent, Path()), plugin.path)


def _refuse_changed(plugin: PluginFile) -> None:
    """Raise FileChangedError where a file that an import opens has another content than when the grid was begun."""
    now = {file.shown: file.digest for file in _opened_by(plugin, plugin.modules)}
    for file in plugin.opened:
        if now.get(file.shown) != file.digest:
            raise FileChangedError(f"{file.shown} changed while the grid was running; run it again")


def _read(file: Path) -> PluginFile:
    try:
        return PluginFile(file, file.read_bytes())
    except OSError as error:
        raise PluginError(f"{file}: there is no such Python file ({error.strerror})") from None


def _reason(file: Path, error: BaseException) -> str:
    """Return one line that says where in the file its import failed, and why."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
    own = isinstance(error, SyntaxError) and error.filename == str(file)
    line = error.lineno if isinstance(error, SyntaxError) and own else (inside[-1] if inside else None)
    why = f"{type(error).__name__}: {words_of(error)}{_beside(file, error)}"
    return f"{file}:{line or 1}: the plugin cannot be imported: {why}"


def _beside(file: Path, error: BaseException) -> str:
    """Return how a module is found that lies in the folder of a plugin, which Python does not search."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.partition(".")[0]
    there = next((found for found in (file.parent / f"{top}.py", file.parent / top) if found.exists()), None)
    return f"; {there.name} lies beside it: set PYTHONPATH={file.parent}" if there else ""
