"""What the `pyproject.toml` of the working directory says: files of components, whose code runs there; a launcher."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli
from xprun.plugins.cache_folder import cache_folder
from xprun.plugins.registry import PluginError

FILE = Path("pyproject.toml")
SWITCH = "XPRUN_NO_PROJECT_PLUGINS"  # set to anything but 0: plugins of projects are left out


def project_plugins() -> tuple[Path, ...]:
    """Return the files that `[tool.xprun] plugins` names in the `pyproject.toml` of the working directory.

    None where the environment says that these are to be left out. Raises PluginError when they cannot be read.
    """
    ours = _settings()
    files = ours.get("plugins", []) if isinstance(ours, dict) else None
    if not isinstance(files, list) or not all(isinstance(file, str) and "\0" not in file for file in files):
        raise PluginError(f'{FILE}: [tool.xprun] plugins must be a list of files: plugins = ["my_rule.py"]')
    return tuple(Path(file) for file in files)


def project_launcher() -> Any:
    """Return what `[tool.xprun] launcher` says in the `pyproject.toml` of the working directory, a name or a table.

    None where it says nothing, or the environment says that what projects name is to be left out. Raises PluginError
    where the file cannot be read.
    """
    ours = _settings()
    return ours.get("launcher") if isinstance(ours, dict) else None


def _settings() -> Any:
    """Return the table `[tool.xprun]`, or what stands in its place."""
    if os.environ.get(SWITCH, "0") not in ("", "0"):
        return {}
    try:
        text = FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"{FILE}: cannot be read: {error}") from None
    try:
        tool = tomli.loads(text).get("tool")
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise PluginError(f"{FILE}: invalid TOML: {error}") from None
    return tool.get("xprun", {}) if isinstance(tool, dict) else {}


def first_mention(files: Iterable[Path], remedy: str = f"{SWITCH}=1") -> str:
    """Return that these files of this project are run, the first time that somebody does so; then nothing.

    `remedy` is what leaves them out. It is remembered in the user's cache folder, and said each time where that cannot
    be written.
    """
    names = [str(file) for file in files]
    if not names:
        return ""
    told = "\0".join([os.getcwd(), *names]).encode(errors="surrogateescape")  # noqa: PTH109 - as it is
    mark = cache_folder() / "projects" / hashlib.sha256(told).hexdigest()[:32]
    if mark.is_file():
        return ""
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return f"{FILE} names plugins, whose code runs here: {', '.join(names)}; {remedy} leaves them out"
