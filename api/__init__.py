"""xprun from Python: run a spec, open an output folder. Everything is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xprun.errors import Error
from xprun.optional_imports import guard

if TYPE_CHECKING:
    from xprun.results import Results, open_results
    from xprun.runner import try_optimizer
    from xprun.running import run

    __version__: str

__all__ = ["Error", "Results", "__version__", "open_results", "run", "try_optimizer"]

guard()

_HOMES = {
    "Results": "xprun.results",
    "open_results": "xprun.results",
    "run": "xprun.running",
    "try_optimizer": "xprun.runner",
}


def __getattr__(name: str) -> Any:
    """Return what is imported, or read, only when it is asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("xprun")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
