"""The spec of a bench: the candidates and what they are held against, tuned alike, on the problems of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xprun.plugins.registry import Component, Registry
from xprun.runner.bench.search_spaces import Space, tuned_settings, without_space
from xprun.specs.language.writer import toml_value

AGAINST = ("SGD", "Momentum", "RMSprop", "Adam", "AdamW")
# Optimizers that a name of the field stands for, beside the registered ones.
KNOWN_AS = {
    "Momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
}
MARK = "# Written by xprun bench"


@dataclass(frozen=True)
class Entrant:
    """One optimizer of a bench: what it is called, the component, its fixed settings and its sweeps."""

    label: str
    component: Component
    settings: dict[str, Any] = field(default_factory=dict)
    sweeps: dict[str, Any] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        """How many settings are tried."""
        return max((len(s["grid"]) if "grid" in s else s["samples"] for s in self.sweeps.values()), default=1)

    def as_toml(self) -> str:
        label = [f"label = {toml_value(self.label)}"] if self.label != self.component.name else []
        settings = [f"{key} = {toml_value(value)}" for key, value in self.settings.items()]
        settings += [f"{key} = {_as_sweep(sweep)}" for key, sweep in self.sweeps.items()]
        return "\n".join(["[[optimizer]]", f"name = {toml_value(self.component.name)}", *label, *settings])


def _as_sweep(sweep: dict[str, Any]) -> str:
    """Return a sweep as a person would write it, in one line."""
    parts = (f"{word} = {_as_list(value) if isinstance(value, list) else value}" for word, value in sweep.items())
    return f"{{ {', '.join(parts)} }}"


def _as_list(values: list[float]) -> str:
    return f"[{', '.join(map(repr, values))}]"


def find_entrant(name: str, registry: Registry) -> Entrant:
    """Return the optimizer of a name, without what is tuned of it; raise UnknownComponentError where there is none."""
    if name in KNOWN_AS and name not in registry.names("optimizer"):
        component, settings = KNOWN_AS[name]
        return Entrant(name, registry.find("optimizer", component), dict(settings))
    return Entrant(name, registry.find("optimizer", name))


def tuned(entrant: Entrant, spaces: Sequence[Space], budget: int) -> tuple[Entrant, str]:
    """Return an optimizer with what is tuned of it, and what is to be said of it; raise SpaceError."""
    sweeps = tuned_settings(entrant.component, spaces, budget)
    fixed = {key: value for key, value in entrant.settings.items() if key not in sweeps}
    note = "" if sweeps else without_space(entrant.component, entrant.component.settings)
    return Entrant(entrant.label, entrant.component, fixed, sweeps), note


def bench_spec(
    name: str,
    title: str,
    command: str,
    suite: str,
    entrants: Sequence[Entrant],
    *,
    candidates: list[str],
    baseline: str | None,
    search: int,
    fresh: int,
) -> str:
    """Return the text of a spec: a suite is extended, and all optimizers are chosen and confirmed alike on it.

    `suite` is what the spec extends, `candidates` the optimizers that it is about; `search` seeds choose the settings,
    and so many `fresh` ones confirm them.
    """
    against = f"baseline = {toml_value(baseline)}\n" if baseline else ""
    about = f"candidates = [{', '.join(map(toml_value, candidates))}]\n" if len(entrants) > 1 else ""
    compared = f"\n[compare]\n{against}{about}" if against or about else ""
    optimizers = "\n\n".join(entrant.as_toml() for entrant in entrants)
    return f"""{MARK}, which writes it anew: change a copy.
# {command}
extends = {toml_value(suite)}
name = {toml_value(name)}
title = {toml_value(title)}

{optimizers}

[run]
seeds = {search}

[confirm]
seeds = {fresh}
{compared}"""
