"""Families of update rules: the columns of a grid that share a rule are updated together, on their slice of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from xprun.plugins.registry import Registry
from xprun.runner.engine.programs.program import Differentiable
from xprun.runner.engine.settings_schedule import SettingsSchedule
from xprun.runner.engine.update_rules import Rule, own_memory, read_rule
from xprun.runner.resolve.build import own_settings
from xprun.runner.resolve.timetable import Timetable, scheduled
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Grid
from xprun.specs import Run

Views = Callable[[Tensor], dict[str, Tensor]]  # a program's function from [..., P] to named views [..., *shape]


@dataclass
class Family:
    """The columns `start:stop` of a grid, which differ in the float settings of one rule.

    `settings` holds a plain number where all columns agree and [n] tensors where they differ. `states` are
    [S, n, P] tensors. `schedule` holds what schedulers change from step to step.
    """

    rule: Rule
    start: int
    stop: int
    settings: dict[str, Any]
    states: tuple[Tensor, ...]
    schedule: SettingsSchedule | None = None
    _now: dict[str, Any] = field(default_factory=dict)  # the settings of the latest step

    def __post_init__(self) -> None:
        self.columns = _columns(self.settings) if self.stop - self.start > 1 else self.settings

    def update(self, w: Tensor, g: Tensor, t: int, n: int, views: Views) -> Tensor:
        """Return the new parameters [S, n, P] of the family's columns, and move its states on."""
        if self.rule.elementwise:
            settings = self._columns_at(t) if self.schedule else self.columns
            new, states = self.rule.update(w, g, self.states, t, n, settings)
            self.states = own_memory(states, w, g)
            return new
        return self._update_by_parameter(w, g, t, n, views)

    def state(self) -> State:
        return {"states": list(self.states)}

    def restore(self, state: State) -> None:
        self.states = tuple(found.to(old.device) for found, old in zip(state["states"], self.states, strict=True))

    def _columns_at(self, t: int) -> dict[str, Any]:
        """Return the settings of step t, whose tensors broadcast against [S, n, P]."""
        assert self.schedule
        if not self._now or self.schedule.changes_at(t):
            self._now = scheduled(self.columns, *map(_column_of, self.schedule.at(t)))
        return self._now

    def _update_by_parameter(self, w: Tensor, g: Tensor, t: int, n: int, views: Views) -> Tensor:
        """Apply a rule that looks at whole parameters to each parameter of each run by itself."""
        settings = scheduled(self.settings, *self.schedule.at(t)) if self.schedule else self.settings
        batched, fixed = _split(settings)

        def one(w: Tensor, g: Tensor, states: tuple[Tensor, ...], settings: dict[str, Any]) -> Any:
            return self.rule.update(w, g, states, t, n, {**fixed, **settings})

        over_runs = vmap(vmap(one), in_dims=(0, 0, 0, None))
        new, states = torch.empty_like(w), tuple(torch.empty_like(s) for s in self.states)
        old_w, old_g, old_states = views(w), views(g), [views(s) for s in self.states]
        new_w, new_states = views(new), [views(s) for s in states]
        for name in old_w:
            w_part, state_parts = over_runs(old_w[name], old_g[name], tuple(s[name] for s in old_states), batched)
            new_w[name].copy_(w_part)
            for target, part in zip(new_states, state_parts, strict=True):
                target[name].copy_(part)
        self.states = states
        return new


class Families:
    """The families of a grid side by side, which share the losses and gradients of each step."""

    builds_graphs = False

    def __init__(self, program: Differentiable, families: list[Family]) -> None:
        self.program, self.families = program, families

    def train(self, mode: bool) -> None:
        """Do nothing: a rule has no modes."""

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its losses [S, k]."""
        program = self.program
        losses, rows = program.differentiate(batch)
        if len(self.families) == 1:
            new = self.families[0].update(program.weights, program.gradient, t, rows, program.views)
            program.replace(new)
        else:
            self._update_slices(program.weights, program.gradient, t, rows)
        return losses

    def _update_slices(self, weights: Tensor, gradient: Tensor, t: int, rows: int) -> None:
        """Let each family update its columns of the weights [S, k, P]."""
        slices = [slice(family.start, family.stop) for family in self.families]
        for family, columns in zip(self.families, slices, strict=True):
            w, g = weights[:, columns], gradient[:, columns]
            w.copy_(family.update(w, g, t, rows, self.program.views))

    def keep(self, columns: list[int]) -> None:
        """Go on with these columns of the grid only."""
        self.families = keep_columns(self.families, columns, self.program.weights.device)

    def state(self) -> State:
        return {"families": [family.state() for family in self.families]}

    def restore(self, state: State) -> None:
        for family, found in zip(self.families, state["families"], strict=True):
            family.restore(found)


def _columns(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose [n] tensors broadcast against [S, n, P]."""
    return {name: _column_of(value) for name, value in settings.items()}


def _column_of(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_column_of(v) for v in value)
    return value.unsqueeze(1) if isinstance(value, Tensor) and value.dim() == 1 else value


def _split(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that differ between columns, and those that do not."""

    def differs(value: Any) -> bool:
        return any(isinstance(v, Tensor) for v in (value if isinstance(value, tuple) else (value,)))

    batched = {name: value for name, value in settings.items() if differs(value)}
    return batched, {name: value for name, value in settings.items() if name not in batched}


def can_join(registry: Registry, run: Run) -> str:
    """Return why the optimizer of a run cannot be stacked with others, or nothing when it can."""
    component = registry.find("optimizer", run.choices["optimizer"].name)
    if isinstance(component.load(), type):
        return f"{component.name} is an optimizer class, not an update rule"
    return ""


def program_key(run: Run) -> str:
    """Return what two runs must share to be in one family: the rule, and every setting that is no float."""
    choice = run.choices["optimizer"]
    static = {k: v for k, v in choice.settings.items() if not _is_float(v)}
    return json.dumps([choice.name, choice.alternative.fingerprint, static], sort_keys=True, default=str)


def make_families(
    registry: Registry, grid: Grid, flat: Tensor, timetable: Callable[[Run], Timetable | None] = lambda run: None
) -> list[Family]:
    """Return the families of a grid, whose columns are sorted by family, for parameters [S, K, P].

    `timetable` tells how a run's settings change in the course of time.
    """
    families = []
    for group in _neighbours(grid):
        first = group[0][1].choices["optimizer"]
        component = registry.find("optimizer", first.name)
        rule = read_rule(component.load())
        start, stop = group[0][0], group[-1][0] + 1
        settings = stack_settings(
            [own_settings(registry, component, run.choices["optimizer"].settings) for _, run in group], flat
        )
        states = tuple(
            torch.zeros_like(flat[:, start:stop], memory_format=torch.contiguous_format) for _ in rule.states
        )
        schedule = schedule_of([run for _, run in group], timetable, flat)
        families.append(Family(rule, start, stop, settings, states, schedule))
    return families


def schedule_of(runs: list[Run], timetable: Callable[[Run], Timetable | None], like: Tensor) -> SettingsSchedule | None:
    """Return what schedulers make of the runs of a family, or None where none is asked for."""
    timetables = [found for found in map(timetable, runs) if found]
    settings = [run.choices["optimizer"].settings for run in runs]
    own = [s["betas"][0] if s.get("betas") else s.get("momentum") for s in settings]
    return SettingsSchedule(timetables, own, like) if timetables else None


def keep_columns(families: list[Family], columns: list[int], device: torch.device) -> list[Family]:
    """Return the families with only these columns of the grid."""
    kept, start = [], 0
    for family in families:
        inside = [column - family.start for column in columns if family.start <= column < family.stop]
        if inside:
            index = torch.tensor(inside, device=device)
            states = tuple(state.index_select(1, index) for state in family.states)
            settings = {name: _chosen(value, index) for name, value in family.settings.items()}
            schedule = family.schedule.keep(inside) if family.schedule else None
            kept.append(Family(family.rule, start, start + len(inside), settings, states, schedule))
            start += len(inside)
    return kept


def _chosen(value: Any, index: Tensor) -> Any:
    if isinstance(value, tuple):
        return tuple(_chosen(v, index) for v in value)
    return value.index_select(0, index) if isinstance(value, Tensor) and value.dim() == 1 else value


def families_of(grid: Grid) -> list[tuple[int, ...]]:
    """Return the columns of each family of a grid."""
    return [tuple(column for column, _ in group) for group in _neighbours(grid)]


def _neighbours(grid: Grid) -> Iterator[list[tuple[int, Run]]]:
    columns = enumerate(grid.runs[0])
    for _, group in groupby(columns, key=lambda column: program_key(column[1])):
        yield list(group)


def stack_settings(settings: list[dict[str, Any]], like: Tensor) -> dict[str, Any]:
    """Return for each float setting one number, or a tensor [n] where the columns differ."""
    first = settings[0]
    differing = {name for name, value in first.items() if any(s[name] != value for s in settings[1:])}

    def stack(name: str, value: Any) -> Any:
        if not _is_float(value) or name not in differing:
            return value
        if isinstance(value, tuple):
            return tuple(_column([s[name][i] for s in settings], like) for i in range(len(value)))
        return _column([s[name] for s in settings], like)

    return {name: stack(name, value) for name, value in first.items()}


def _column(values: list[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _is_float(value: Any) -> bool:
    """Whether a setting is a number, or a tuple of them, that may differ between runs of one program."""
    if isinstance(value, tuple):
        return bool(value) and all(isinstance(v, float) for v in value)
    return isinstance(value, float)
