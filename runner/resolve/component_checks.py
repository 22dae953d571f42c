"""What components themselves find wrong between settings each of which fits its type, however deep they stand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from xprun.plugins.kinds import KINDS
from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import Setting
from xprun.runner.resolve.spec_files import ResolvedSpecFile
from xprun.specs import Alternative, Choice, Diagnostic, Spec
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.expansion import choices_of

MOST_CHOICES = 1000  # combinations of the sweeps of an alternative that are looked at


def component_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield what is wrong with the components of a spec, and with those inside of their settings."""
    swept_elsewhere = {condition.section for exclusion in spec.exclusions for condition in exclusion.conditions}
    for section, alternatives in spec.sections.items():
        for alternative in alternatives:
            if not (alternative.axes and section in swept_elsewhere):  # perhaps what is wrong is left out
                yield from _alternative_problems(alternative, registry)


def _alternative_problems(alternative: Alternative, registry: Registry) -> Iterator[Diagnostic]:
    component = registry.find(alternative.section, alternative.name)
    asked = [name for name, setting in component.settings.items() if component.check or _holds_components(setting)]
    asked += [name for name in KINDS[alternative.section].common_settings if name in COMMON]
    known: list[Any] = []
    for choice in _choices(alternative, asked):
        settings = {name: choice.settings[name] for name in asked}
        if settings not in known:
            known.append(settings)
            yield from _choice_problems(choice, component, registry)


def _choices(alternative: Alternative, asked: list[str]) -> Iterator[Choice]:
    """Yield the combinations of the sweeps that are inside of some settings; one where there are none."""
    is_swept = any(axis.key in asked for axis in alternative.axes)
    return islice(choices_of(alternative), MOST_CHOICES if is_swept else 1)


def _choice_problems(choice: Choice, component: Component, registry: Registry) -> Iterator[Diagnostic]:
    path, settings = choice.alternative.path, choice.settings
    yield from _own_problems(component, settings, path)
    if choice.alternative.section == "model" and any(set(key) == {"*"} for key in settings[FREEZE]):
        message = "leaves no parameter of the model to train"
        yield Diagnostic((*path, FREEZE), message, "name those to keep as they are; run.epochs = 0 trains nothing")
    for name, setting in component.schema.items():
        if _holds_components(setting):
            yield from _inner_problems(str(setting.component_kind), settings[name], (*path, name), registry)


def _inner_problems(kind: str, value: Any, path: Path, registry: Registry) -> Iterator[Diagnostic]:
    """Yield the problems of a component inside of a setting, or of a list or a table of them."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _inner_problems(kind, item, (*path, i), registry)
    elif isinstance(value, dict) and "name" not in value:
        for key, item in value.items():
            yield from _inner_problems(kind, item, (*path, key), registry)
    elif isinstance(value, dict):
        component = registry.find(kind, value["name"])
        yield from _own_problems(component, value, path)
        for name, setting in component.settings.items():
            if _holds_components(setting) and name in value:
                yield from _inner_problems(str(setting.component_kind), value[name], (*path, name), registry)


def _own_problems(component: Component, settings: dict[str, Any], path: Path) -> Iterator[Diagnostic]:
    if component.check:
        own = {name: settings.get(name, setting.typed_default) for name, setting in component.settings.items()}
        paths = {name: value.path for name, value in own.items() if isinstance(value, ResolvedSpecFile)}
        for setting, message in component.faults_of(own | paths):
            yield Diagnostic((*path, setting), message)


def _holds_components(setting: Setting) -> bool:
    return setting.component_kind is not None


FREEZE = "freeze"
COMMON = (FREEZE, "init")  # settings of every model that are looked at here
