"""The runner: from a spec and a registry to trained runs and result tables. Light to import, heavy to call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xprun.runner.notebook_api import Results
    from xprun.runner.optimizer_check.optimizer_trial import Trial

__all__ = ["run", "try_optimizer"]


def run(
    spec: str | Path | Mapping[str, Any],
    *,
    output: str | Path | None = None,
    set: Mapping[str, Any] | Iterable[str] = (),
    device: str | None = None,
    plugins: Iterable[str | Path] = (),
    jobs: int = 0,
    max_runs: int | None = None,
    quiet: bool = False,
) -> Results:
    """Train the runs of a spec that the output folder lacks, and return the tables of all of them.

    `spec` is a file, the name of a shipped spec, or a dictionary that says what a file would say. `set` changes
    settings, as in `{"optimizer.lr": [0.1, 0.01]}`; a list sweeps. `plugins` are files of components; those that this
    program has registered are known anyway. With `jobs` runs are trained in so many supervised processes, as on the
    command line, which know files of components only.

    Raises SpecError, whose text shows every mistake with its place, and PluginError. A run that fails is a row with
    that status and raises nothing.
    """
    from xprun.runner.notebook_api import run

    return run(
        spec,
        output=output,
        settings=set,
        device=device,
        plugins=plugins,
        jobs=jobs,
        max_runs=max_runs,
        quiet=quiet,
    )


def try_optimizer(
    name: str, *, against: str | None = None, plugins: Iterable[str | Path] = (), **settings: Any
) -> Trial:
    """Run an optimizer over fixed gradients, as `xprun check NAME` does; `problems` is empty when it is right."""
    from xprun.plugins.discovery import open_registry
    from xprun.runner.optimizer_check.optimizer_trial import try_optimizer

    return try_optimizer(open_registry(tuple(map(Path, plugins))), name, settings, against)
