"""Says in one line which package is missing or broken that a spec needs, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from xprun.plugins.optimizers.packages import DISTRIBUTIONS
from xprun.plugins.python_packages import PackageError, find_package, said_of_broken, why_not
from xprun.plugins.registry import Component, Registry
from xprun.plugins.torchvision_import import import_torchvision
from xprun.runner.job import Job
from xprun.specs import Alternative, Spec

# What components import when they are called, by the module that defines them or by where they come from.
IMPORTED = {
    "xprun.plugins.metrics.torchmetrics_scores": "torchmetrics",
    "xprun.plugins.observers.mlflow_store": "mlflow",
    "xprun.plugins.observers.tensorboard": "tensorboard",
    "xprun.plugins.observers.wandb_offline": "wandb",
}
THROUGH = {"tensorboard": "torch.utils.tensorboard"}  # what is imported of a package, where it is more than itself
WITH_VISION = ("torchvision", "timm", "torchmetrics")  # import torchvision, which may need help


def require_torch() -> None:
    """Raise PackageError where torch is not installed."""
    if find_package("torch") is None:
        raise PackageError(
            "torch is not installed, and nothing can be trained without it: pip install torch "
            "(https://pytorch.org/get-started has the command for your machine)"
        )


def import_torch() -> None:
    """Import torch here; raise PackageError where that fails."""
    require_torch()
    if why := why_not("torch"):
        raise PackageError(said_of_broken("torch", why))


def require_packages(job: Job) -> None:
    """Raise PackageError for a package that a component of the job's spec needs and that cannot be imported.

    It is tried where components are trained, in a worker.
    """
    packages = needed_packages(job.plan.spec, job.registry)
    for package, why in job.run_isolated(reasons, tuple(packages)).items():
        component = packages[package]
        whose = f"{component.kind} {component.name}: " if component else ""
        raise PackageError(f"{whose}{said_of_broken(package, why)}")


def reasons(packages: tuple[str, ...]) -> dict[str, str]:
    """Return why packages cannot be imported, of those that cannot."""
    found = {package: _why_not(package) for package in packages}
    return {package: why for package, why in found.items() if why}


def _why_not(package: str) -> str:
    if package in WITH_VISION and find_package("torchvision") is not None:
        with suppress(Exception, SystemExit):  # it is told where it is the package that is needed
            import_torchvision()
    return why_not(THROUGH.get(package, package))


def needed_packages(spec: Spec, registry: Registry) -> dict[str, Component | None]:
    """Return the packages that a spec needs, torch first, each with a component that needs it."""
    needed: dict[str, Component | None] = {"torch": None}
    for component in used_components(spec, registry):
        if package := package_of(component):
            needed.setdefault(package, component)
    return needed


def package_of(component: Component) -> str:
    """Return the package that a component imports when it is called, if it is one that xprun knows; or nothing."""
    home = component.origin.module.partition(".")[0]
    known = home == "torchvision" or home in {name.partition(".")[0] for name in DISTRIBUTIONS}
    return home if known else IMPORTED.get(component.origin.module, "")


def used_components(spec: Spec, registry: Registry) -> Iterator[Component]:
    """Yield the components that a spec names, those in settings of others included."""
    for alternative in (alternative for part in spec.parts for alternative in part.alternatives):
        if alternative.section == "run":
            metrics = alternative.settings.get("metrics", [])
            yield from (registry.find("metric", metric["name"]) for metric in metrics)
            yield from (registry.find("observer", name) for name in alternative.settings.get("observers", []))
            yield from (registry.find("backend", name) for name in alternative.frameworks)
        else:
            yield from _of_alternative(alternative, registry)


def _of_alternative(alternative: Alternative, registry: Registry) -> Iterator[Component]:
    component = registry.find(alternative.section, alternative.name)
    yield component
    values = {**alternative.settings}
    for axis in alternative.axes:
        values.setdefault(axis.key, axis.values)
    for name, value in values.items():
        kind = component.schema[name].component_kind if name in component.schema else None
        yield from (registry.find(kind, inner) for inner in _names(value) if kind and inner in registry.names(kind))


def _names(value: Any) -> Iterator[str]:
    """Yield the names of components in a setting: a table, or a list or table of them."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        yield from (name for inner in value.values() for name in _names(inner))
    elif isinstance(value, list):
        yield from (name for inner in value for name in _names(inner))
