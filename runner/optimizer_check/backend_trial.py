"""Holds an optimizer against what a backend makes of it: the same steps over the same gradients, in its framework."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Literal

import torch
from xprun.plugins.backends.backend_contract import Task, Trainer
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import Component, Registry
from xprun.runner.optimizer_check.fixed_gradients import (
    STEPS,
    Parameters,
    Path,
    Settings,
    Walker,
    fixed_gradients,
    start,
)
from xprun.runner.optimizer_check.optimizer_trial import Check, first_difference
from xprun.runner.resolve.backend_checks import asked_of_backend, rule_of
from xprun.runner.workers.isolated import run_isolated

Dtype = Literal["float32", "float64"]
DTYPES: tuple[Dtype, ...] = ("float32", "float64")


def agreement(
    registry: Registry, backend: Component, name: str, given: Settings, plugins: tuple[FilePath, ...]
) -> Check:
    """Return how far the steps of an optimizer are from those that a backend takes; the backend works in a worker.

    Where they differ by more than rounding in double precision, that is a problem.
    """
    walker = Walker(registry, registry.find("optimizer", name), given)
    refused = [why for _, why in backend.faults_of(asked_of_backend(walker.component, walker.settings))]
    if refused:
        return Check(f"is trained by {backend.name}", refused)
    paths = run_isolated(paths_in_backend, backend.name, name, given, plugins)
    theirs = {dtype: [torch.tensor(step, dtype=torch.float64) for step in path] for dtype, path in paths.items()}
    own = {dtype: walker.path(fixed_gradients(dtype=getattr(torch, dtype))) for dtype in DTYPES}
    found = first_difference(theirs["float64"], own["float64"])
    wrong = [f"it differs from step {found[0]} on, by {found[1]:.3g} in a parameter at first"] if found else []
    apart = " and ".join(f"{how_far(theirs[dtype], own[dtype])} in {dtype}" for dtype in DTYPES)
    return Check(f"agrees with {backend.name}: {apart}", wrong)


def how_far(path: Path, other: Path) -> str:
    """Return how far two paths are from each other, relative to the parameters."""
    furthest = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(path, other, strict=True))
    return f"within {furthest:.1g}" if furthest else "to the bit"


def paths_in_backend(
    backend: str, name: str, given: Settings, plugins: Iterable[FilePath]
) -> dict[Dtype, list[list[float]]]:
    """Return where the parameters are after each step that a backend takes, in both precisions."""
    registry = open_registry(plugins)
    walker, make = Walker(registry, registry.find("optimizer", name), given), registry.find("backend", backend).load()
    optimizer = name, rule_of(walker.component), walker.live(walker.settings)
    found = {}
    for dtype in DTYPES:
        gradients = fixed_gradients(dtype=getattr(torch, dtype))
        parameters = {key: value.numpy() for key, value in start(gradients[0]).items()}
        trainer = make(Task((), parameters, "MSELoss", "mean", "autograd", *optimizer, dtype, STEPS))
        found[dtype] = [_after(trainer, t, gradient) for t, gradient in enumerate(gradients, 1)]
    return found


def _after(trainer: Trainer, t: int, gradients: Parameters) -> list[float]:
    """Return all parameters after a step."""
    trainer.update(t, {key: value.numpy() for key, value in gradients.items()})
    return [float(x) for part in trainer.parameters().values() for x in part.reshape(-1)]
