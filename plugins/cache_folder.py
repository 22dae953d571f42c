"""Where xprun keeps what it need not find out twice: a folder of the user's, apart from all output folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return the user's cache folder: below `$XDG_CACHE_HOME`, or what a platform has in its place."""
    if home := os.environ.get("XDG_CACHE_HOME"):
        return Path(home, "xprun")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local"), "xprun", "Cache")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "xprun"
