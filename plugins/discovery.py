"""Where components come from: the built-in ones, torch's classes, installed distributions and files of the user."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path

from xprun.plugins import torch_names
from xprun.plugins.registry import REGISTRY, PluginError, Registry

BUILT_IN = (
    "datasets.csv_file",
    "datasets.digits",
    "datasets.line",
    "datasets.linear",
    "datasets.polynomial",
    "datasets.sklearn_tables",
    "datasets.thermometer",
    "metrics.basic",
    "models.layers",
    "models.linear",
    "optimizers.scratch",
)


def open_registry(files: tuple[Path, ...] = ()) -> Registry:
    """Return the registry with all components, those in `files` included.

    Nothing here imports torch. Raises PluginError for a file that cannot be imported.
    """
    for module in BUILT_IN:
        importlib.import_module(f"xprun.plugins.{module}")
    torch_names.register(REGISTRY)
    for file in files:
        load_file(REGISTRY, file)
    return REGISTRY


def load_file(registry: Registry, file: Path) -> None:
    """Import a Python file, whose decorators register its components."""
    name = f"xprun_plugin_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(name, file)
    if module_spec is None or module_spec.loader is None or not file.is_file():
        raise PluginError(f"{file}: there is no such Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    registry.source, before = str(file), registry.source
    try:
        module_spec.loader.exec_module(module)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(_reason(file, error)) from error
    finally:
        registry.source = before


def _reason(file: Path, error: Exception) -> str:
    """Return one line that says where in the file its import failed, and why."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else (inside[-1] if inside else None)
    return f"{file}:{line or 1}: the plugin cannot be imported: {type(error).__name__}: {error}"
