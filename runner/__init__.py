"""The runner: from a spec and a registry to trained runs and result tables. Light to import, heavy to call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xprun.runner.optimizer_check.optimizer_trial import Trial
    from xprun.running import run

__all__ = ["run", "try_optimizer"]


def try_optimizer(
    name: str, *, against: str | None = None, plugins: Iterable[str | Path] = (), **settings: Any
) -> Trial:
    """Run an optimizer over fixed gradients, as `xprun check NAME` does; `problems` is empty when it is right."""
    from xprun.plugins.discovery import open_registry
    from xprun.runner.optimizer_check.optimizer_trial import try_optimizer

    return try_optimizer(open_registry(tuple(map(Path, plugins))), name, settings, against)


def __getattr__(name: str) -> Any:
    """Hand on `run`, which was here before the root package had it."""
    if name == "run":
        from xprun.running import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
