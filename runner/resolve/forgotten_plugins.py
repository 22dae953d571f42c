"""Finds the Python file that registers a component which nobody has loaded; files are parsed, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MOST = 100  # files of a folder
LARGEST = 250_000  # bytes of a file


def file_with(kind: str | None, name: str, beside: Path | None = None) -> Path | None:
    """Return the file that registers a component: beside a spec, in the working directory, or in the project's folder.

    `kind`: None for any. None where no file does.
    """
    for folder in _folders(beside):
        for file in sorted(folder.glob("*.py"))[:MOST]:
            if any(found == name and kind in (None, word) for word, found in _registered(file)):
                return file
    return None


def advice(kind: str | None, name: str, beside: Path | None = None) -> str:
    """Return the option that loads the file which registers a component; nothing where no file does."""
    file = file_with(kind, name, beside)
    return f"{name} is registered in {_shown(file)}: add --plugin {_shown(file)}" if file else ""


def _folders(beside: Path | None) -> list[Path]:
    here = Path.cwd()
    around = [*([beside.parent] if beside else []), here]
    projects = [parent for folder in around for parent in (folder.resolve(), *folder.resolve().parents)]
    project = next((folder for folder in projects if (folder / "pyproject.toml").is_file()), None)
    folders = [*around, *([project] if project else [])]
    return list({folder.resolve(): folder for folder in reversed(folders)}.values())[::-1]


def _shown(file: Path) -> Path:
    inside = file.resolve().is_relative_to(Path.cwd())
    return file.resolve().relative_to(Path.cwd()) if inside else file


def _registered(file: Path) -> Iterator[tuple[str, str]]:
    """Yield word and name of each call such as `optimizer("lion")` in a file."""
    try:
        text = file.read_bytes()[: LARGEST + 1]
        tree = ast.parse(text) if len(text) <= LARGEST else None
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function, name = node.func, node.args[0].value
            word = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if isinstance(name, str):
                yield word, name
