"""Finds settings that stand where no such one is taken, and the section in which they belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from xprun.plugins.registry import Registry, UnknownComponentError
from xprun.specs import Diagnostic, Spec
from xprun.specs.language.diagnostics import UnknownKey
from xprun.specs.language.other_notations import several
from xprun.specs.language.overrides import option
from xprun.specs.language.schema import CONFIRM_SECTION, OWN_SECTIONS, known_sections
from xprun.specs.language.wording import SYNONYMS, did_you_mean, show

Settings = dict[str, set[str]]  # the names of the settings that the components of each section take


def section_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield the keys at the top of a spec that mean nothing there."""
    known = known_sections()
    settings = _settings(spec, registry)
    for key, value in spec.document.data.items():
        if key in known:
            continue
        if homes := _homes(key, settings):
            message = f"there is no such section; did you mean {_either(homes)}?"
            yield Diagnostic((key,), message, _written(spec, (key,), homes[0], value), "key")
        else:
            message = f"there is no such section{did_you_mean(key, known)}"
            yield Diagnostic((key,), message, f"a spec has {', '.join(known)}", "key")


def at_home(problems: Iterable[Diagnostic], spec: Spec, registry: Registry) -> list[Diagnostic]:
    """Return problems of which those of unknown settings name the section in which there is such a one."""
    settings = _settings(spec, registry)
    return [_at_home(one, settings) if isinstance(one, UnknownKey) else one for one in problems]


def _at_home(problem: UnknownKey, settings: Settings) -> Diagnostic:
    homes = [home for home in _homes(str(problem.path[-1]), settings) if home[0] != problem.path[0]]
    is_setting = len([part for part in problem.path if isinstance(part, str)]) == 2
    if problem.has_near or not is_setting or not homes:
        return problem
    return replace(problem, message=f"{problem.message}; did you mean {_either(homes)}?")


def _settings(spec: Spec, registry: Registry) -> Settings:
    found: Settings = {section: set(model.model_fields) for section, model in OWN_SECTIONS.items()}
    if CONFIRM_SECTION not in spec.document.data:
        del found[CONFIRM_SECTION]  # whose seeds are meant by who writes them
    for section, alternatives in spec.sections.items():
        for alternative in alternatives:
            try:
                found.setdefault(section, set()).update(registry.find(section, alternative.name).schema)
            except UnknownComponentError:
                continue
    return found


def _homes(key: str, settings: Settings) -> list[tuple[str, str]]:
    """Return the sections that take a setting of that name, or of the name that is used here for it, with the name."""
    bare = key.lstrip("-+~")
    names = dict.fromkeys([SYNONYMS.get(bare.lower(), bare), bare])
    return [(section, name) for name in names for section, taken in settings.items() if name in taken]


def _either(homes: list[tuple[str, str]]) -> str:
    return " or ".join(repr(".".join(home)) for home in homes)


def _written(spec: Spec, path: tuple[str], home: tuple[str, str], value: Any) -> str:
    section, name = home
    if isinstance(value, dict):
        return f"write it under [{section}]"
    meant = several(value) if isinstance(value, str) else None
    if spec.document.set_key(path):
        text = meant.toml if meant else value if isinstance(value, str) else show(value)
        return f"write {option(f'{section}.{name}', text)}"
    return f"write {name} = {show(value)} under [{section}]"
