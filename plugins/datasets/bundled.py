"""The data files that scikit-learn ships, read without importing it, which takes a second."""

from __future__ import annotations

from pathlib import Path

from xprun.plugins.python_packages import find_package


def bundled_file(name: str) -> Path | None:
    """Return the path of a data file inside the installed scikit-learn, or None if it is not where it used to be."""
    found = find_package("sklearn")
    folders = (found.submodule_search_locations or []) if found else []
    paths = (Path(folder) / "datasets" / "data" / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)
