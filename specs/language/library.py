"""The specs that come with xprun, found by their bare names."""

from __future__ import annotations

import os
from pathlib import Path

SHIPPED = "xprun:"  # what the name of a shipped file begins with, as in `xprun:problems/digits_mlp`
SUITES = "suites"
FOLDER = Path(__file__).parent.parent


def shipped_specs() -> dict[str, Path]:
    """Return the shipped specs by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def shipped_files() -> dict[str, Path]:
    """Return the shipped specs, problems and suites by what follows `xprun:` in their names: `problems/digits_mlp`."""
    found = sorted(FOLDER.glob("*.toml")) + sorted(FOLDER.glob("*/*.toml"))
    return {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in found}


def suites() -> dict[str, Path]:
    """Return the shipped lists of problems by name: those in the folder `suites`."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"{SUITES}/*.toml"))}


def find_suite(name: str) -> str:
    """Return what a spec extends to have the problems of a suite: by its name, or the file itself; nothing for none."""
    if name in suites():
        return f"{SHIPPED}{SUITES}/{name}"
    if name.startswith(SHIPPED):
        return name if name.removeprefix(SHIPPED) in shipped_files() else ""
    return name if Path(name).is_file() else ""


def find_spec(path: Path) -> Path:
    """Return the path itself, or the shipped spec of that bare name where there is no such file.

    One that begins with `xprun:` is always the shipped file of that name.
    """
    if path.as_posix().startswith(SHIPPED):
        return shipped_files().get(path.as_posix().removeprefix(SHIPPED).removesuffix(".toml"), path)
    bare = len(path.parts) == 1 and not path.suffix
    is_there = os.path.exists(path)  # noqa: PTH110 - it is False, and no error, for a name that no file can have
    return shipped_specs().get(path.name, path) if bare and not is_there else path
