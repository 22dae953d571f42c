"""What is known of a Python package without importing it, and in one line why it cannot be imported."""

from __future__ import annotations

import ast
import importlib
import io
from contextlib import redirect_stderr, redirect_stdout
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from xprun.errors import Error
from xprun.plugins.error_words import words_of
from xprun.plugins.user_signals import noted_signals

ABSENT = "not installed"


class PackageError(Error):
    """A package that is needed is not installed, or cannot be imported."""

    exit_code = 3


def find_package(name: str) -> ModuleSpec | None:
    """Return where a top-level package is, or None where there is none; nothing of it is imported."""
    try:
        return find_spec(name)
    except Exception:  # a broken finder, or what stands in its place in `sys.modules`: an import would fail, too
        return None


def release_of(name: str) -> str:
    """Return the version of a package, without what says how it was built: `2.13.0`; or `not installed`.

    It is asked of the metadata, which a package that was not installed by pip may lack, and then of its `version.py`.
    """
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return _written_version(name) or ABSENT


def _written_version(name: str) -> str:
    found = find_package(name)
    for folder in (found.submodule_search_locations or ()) if found else ():
        file = Path(folder, "version.py")
        for node in ast.parse(file.read_bytes()).body if file.is_file() else ():
            match node:
                case ast.Assign(targets=[ast.Name(id="__version__")], value=ast.Constant(value=str(text))):
                    return text.partition("+")[0]
    return ""


def why_not(name: str) -> str:
    """Import a module and return why that fails, on one line; nothing where it succeeds.

    What a broken package prints meanwhile (numpy prints pages for one that was built for another version) is left out.
    """
    said = io.StringIO()
    with noted_signals() as signals:
        try:
            with redirect_stdout(said), redirect_stderr(said):
                importlib.import_module(name)
        except BaseException as error:
            if signals:
                raise
            return f"{type(error).__name__}: {words_of(error)[:300]}".rstrip(": ")
    return ""


def said_of_broken(name: str, why: str) -> str:
    """Return that a package is absent or cannot be imported, and what to do about it."""
    package = name.partition(".")[0]
    if find_package(package) is None:
        return f"{package} is not installed: pip install {package}"
    return f"{package} cannot be imported ({why}): pip install --force-reinstall {package}"
