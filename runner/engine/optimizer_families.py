"""The optimizers of a grid: columns that share a rule are one family, updated together on their slice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from xprun.plugins.registry import Registry
from xprun.runner.engine.batched_schedule import BatchedSchedule
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
    [S, n, P] tensors. `pace` holds what schedulers change from step to step.
    """

    rule: Rule
    start: int
    stop: int
    settings: dict[str, Any]
    states: tuple[Tensor, ...]
    pace: BatchedSchedule | None = None

    def __post_init__(self) -> None:
        self.columns = _columns(self.settings)

    def update(self, flat: Tensor, gradient: Tensor, t: int, n: int, views: Views) -> Tensor:
        """Return the new parameters [S, n, P] of the family's columns, and move its states on."""
        w, g = flat[:, self.start : self.stop], gradient[:, self.start : self.stop]
        if self.rule.elementwise:
            new, states = self.rule.update(w, g, self.states, t, n, self._columns_at(t))
            self.states = own_memory(states, w, g)
            return new
        return self._update_by_parameter(w, g, t, n, views)

    def state(self) -> State:
        return {"states": list(self.states)}

    def restore(self, state: State) -> None:
        self.states = tuple(found.to(old.device) for found, old in zip(state["states"], self.states, strict=True))

    def _columns_at(self, t: int) -> dict[str, Any]:
        """Return the settings of step t, whose tensors broadcast against [S, n, P]."""
        return scheduled(self.columns, *map(_column_of, self.pace.at(t))) if self.pace else self.columns

    def _update_by_parameter(self, w: Tensor, g: Tensor, t: int, n: int, views: Views) -> Tensor:
        """Apply a rule that looks at whole parameters to each parameter of each run by itself."""
        settings = scheduled(self.settings, *self.pace.at(t)) if self.pace else self.settings
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
        settings = _stacked(
            [own_settings(registry, component, run.choices["optimizer"].settings) for _, run in group], flat
        )
        states = tuple(
            torch.zeros_like(flat[:, start:stop], memory_format=torch.contiguous_format) for _ in rule.states
        )
        pace = _pace([run for _, run in group], timetable, flat)
        families.append(Family(rule, start, stop, settings, states, pace))
    return families


def _pace(runs: list[Run], timetable: Callable[[Run], Timetable | None], like: Tensor) -> BatchedSchedule | None:
    """Return the pace of the runs of a family, or None where no scheduler is asked for."""
    timetables = [found for found in map(timetable, runs) if found]
    settings = [run.choices["optimizer"].settings for run in runs]
    own = [s["betas"][0] if "betas" in s else s.get("momentum") for s in settings]
    return BatchedSchedule(timetables, own, like) if timetables else None


def keep_columns(families: list[Family], columns: list[int], device: torch.device) -> list[Family]:
    """Return the families with only these columns of the grid."""
    kept, start = [], 0
    for family in families:
        inside = [column - family.start for column in columns if family.start <= column < family.stop]
        if inside:
            index = torch.tensor(inside, device=device)
            states = tuple(state.index_select(1, index) for state in family.states)
            settings = {name: _chosen(value, index) for name, value in family.settings.items()}
            pace = family.pace.keep(inside) if family.pace else None
            kept.append(Family(family.rule, start, start + len(inside), settings, states, pace))
            start += len(inside)
    return kept


def _chosen(value: Any, index: Tensor) -> Any:
    if isinstance(value, tuple):
        return tuple(_chosen(v, index) for v in value)
    return value.index_select(0, index) if isinstance(value, Tensor) and value.dim() == 1 else value


def _neighbours(grid: Grid) -> Iterator[list[tuple[int, Run]]]:
    columns = enumerate(grid.runs[0])
    for _, group in groupby(columns, key=lambda column: program_key(column[1])):
        yield list(group)


def _stacked(settings: list[dict[str, Any]], like: Tensor) -> dict[str, Any]:
    """Return for each float setting one number, or a tensor [n] where the columns differ."""
    first = settings[0]
    differing = {name for name, value in first.items() if any(s[name] != value for s in settings)}

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
