"""What another backend than torch does not do, found in the settings of a spec; nothing of a framework is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xprun.plugins.python_packages import PackageError, find_package
from xprun.plugins.registry import Component, Registry
from xprun.plugins.rule_calls import RuleCall
from xprun.plugins.signature import makes_optimizer, positional_names
from xprun.runner.resolve.data_parts import values_of
from xprun.specs import Diagnostic, Spec
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.expansion import Combination, combinations
from xprun.specs.language.schema import TORCH, RunSettings

# Settings of `[run]` by which a step does more than go down a gradient, or by which it is taken in another way.
MORE_THAN_A_STEP = ("clip_norm", "clip_value", "accumulate", "autocast", "average", "compile")
OTHERWISE = {"engine": "together", "measure_train": "running"}  # values that ask the same of a step


class MissingFrameworkError(PackageError):
    """A package is not installed that a backend imports."""


def backends_of(spec: Spec) -> list[str]:
    """Return the backends of a spec's runs, but torch."""
    named = (name for variant in spec.variants() for name in values_of(variant.run, "backend"))
    return [name for name in dict.fromkeys(named) if isinstance(name, str) and name != TORCH]


def frameworks_of(spec: Spec, registry: Registry) -> list[str]:
    """Return the packages that the backends of a spec import."""
    components = (registry.find("backend", name) for name in backends_of(spec))
    return list(dict.fromkeys(package for component in components for package in component.packages))


def require_frameworks(spec: Spec, registry: Registry) -> None:
    """Raise MissingFrameworkError where a package is not installed that a backend of a spec imports."""
    for name in backends_of(spec):
        require_framework(registry.find("backend", name))


def require_framework(backend: Component) -> None:
    """Raise MissingFrameworkError where a package is not installed that a backend imports."""
    for package in backend.packages:
        if find_package(package) is None:
            extra = f"'xprun[{backend.name}]'" if backend.origin.source == "built-in" else package
            raise MissingFrameworkError(
                f"the backend {backend.name} needs {package}, which is not installed: pip install {extra}"
            )


def backend_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield what the runs of a resolved spec ask of their backend that it does not do."""
    if not backends_of(spec):
        return
    if spec.head.device not in ("auto", "cpu"):
        yield Diagnostic(("device",), "other backends than torch train on the CPU", 'write device = "cpu"')
    seen = set()
    for combination in combinations(spec):
        key = tuple(choice.identity for section, choice in combination.items() if section != "data")
        if combination["run"].settings["backend"] != TORCH and key not in seen:
            seen.add(key)
            yield from _combination_problems(combination, registry)


def _combination_problems(combination: Combination, registry: Registry) -> Iterator[Diagnostic]:
    name = combination["run"].settings["backend"]
    yield from _step_problems(name, combination["run"].settings)
    if "scheduler" in combination:
        path = combination["scheduler"].alternative.path
        yield Diagnostic(path, f"the backend {name} trains with a constant learning rate", _advice(name), "key")
    if combination["model"].settings["freeze"]:
        path = (*combination["model"].alternative.path, "freeze")
        yield Diagnostic(path, f"the backend {name} trains all parameters", _advice(name), "key")
    yield from refusals(registry, combination, ())


def _step_problems(backend: str, settings: dict[str, Any]) -> Iterator[Diagnostic]:
    plain = RunSettings.model_fields
    other = [name for name in MORE_THAN_A_STEP if settings[name] not in (plain[name].default, False)]
    other += [name for name, value in OTHERWISE.items() if settings[name] == value]
    for name in other:
        yield Diagnostic(
            ("run", name), f"the backend {backend} takes plain steps, one run after the other", _advice(backend), "key"
        )


def refusals(registry: Registry, combination: Combination, activations: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Yield what a backend says that it does not train of a combination, whose model has these activations."""
    loss, optimizer, run = (combination[section] for section in ("loss", "optimizer", "run"))
    name, component = run.settings["backend"], registry.find("optimizer", optimizer.name)
    asked = asked_of_backend(component, optimizer.settings) | {
        "activations": activations,
        "loss": loss.name,
        "gradient": run.settings["gradient"],
    }
    asked["changed"] += tuple(_changed(registry.find("loss", loss.name), loss.settings))
    for place, why in registry.find("backend", name).faults_of(asked):
        section, _, setting = place.partition(".")
        path: Path = combination[section].alternative.path + ((setting,) if setting else ("name",) * (section != "run"))
        yield Diagnostic(path, f"the backend {name} does not train this: {why}", _advice(name))


def asked_of_backend(optimizer: Component, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the `check` of a backend is told where a line is to be trained by an optimizer with its settings."""
    return {
        "activations": (),
        "loss": "MSELoss",
        "optimizer": optimizer.name,
        "rule": rule_of(optimizer),
        "gradient": "autograd",
        "settings": {key: settings[key] for key in optimizer.settings},
        "changed": tuple(_changed(optimizer, settings)),
    }


def rule_of(component: Component) -> RuleCall | None:
    """Return an optimizer as an update rule, or None for a class, and for one that each framework has of its own."""
    if makes_optimizer(component.signature) or component.origin.source == "torch.optim":
        return None
    return RuleCall(component.signature, positional_names(component.signature))


def _changed(component: Component, settings: dict[str, Any]) -> list[str]:
    """Return the settings of a component that are not at their defaults: `loss.reduction`."""
    given = {name: value for name, value in settings.items() if name in component.schema}
    return [f"{component.kind}.{name}" for name, v in given.items() if v != component.schema[name].typed_default]


def _advice(name: str) -> str:
    return f'leave it out, or write backend = "torch"; docs/backends.md lists what {name} trains'
