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
from xprun.plugins.signature import makes_optimizer
from xprun.runner.engine.per_run import PerRun, doubles_on
from xprun.runner.engine.programs.program import Differentiable
from xprun.runner.engine.settings_schedule import SettingsSchedule
from xprun.runner.engine.update_rules import Rule, own_memory, read_rule
from xprun.runner.resolve.build import own_settings
from xprun.runner.resolve.parameter_groups import GROUPS, group_parameters, groups_of
from xprun.runner.resolve.timetable import Timetable, scheduled
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Grid
from xprun.specs import Choice, Run

Views = Callable[[Tensor], dict[str, Tensor]]  # a program's function from [..., P] to named views [..., *shape]
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Part:
    """Settings that some parameters share, and what schedulers change of them.

    `settings` holds a plain number where all columns of a family agree, and [n] tensors in double precision where they
    differ.
    """

    settings: dict[str, Any]
    schedule: SettingsSchedule | None = None

    def at(self, t: int) -> dict[str, Any]:
        """Return the settings of step t."""
        return scheduled(self.settings, *self.schedule.at(t)) if self.schedule else self.settings

    def changes_at(self, t: int) -> bool:
        """Whether the settings of step t may differ from those of the step before."""
        return self.schedule is not None and self.schedule.changes_at(t)

    def keep(self, columns: list[int], index: Tensor) -> Part:
        """Return the settings of these columns only."""
        settings = {name: _chosen(value, index) for name, value in self.settings.items()}
        return Part(settings, self.schedule.keep(columns) if self.schedule else None)


@dataclass(frozen=True)
class Members:
    """Which part each parameter of a model is in, by its name, and each number of all of them [P]."""

    by_name: dict[str, int]
    places: Tensor


@dataclass
class Family:
    """The columns `start:stop` of a grid, which differ in the float settings of one rule.

    `settings` are those of the optimizer; `states` are [S, n, P] tensors; `schedule` holds what schedulers change from
    step to step. Where parameters have settings of their own, `groups` are these, and `members` says whose they are:
    the first part is that of the optimizer. `steps` are those of the whole training.
    """

    rule: Rule
    start: int
    stop: int
    settings: dict[str, Any]
    states: tuple[Tensor, ...]
    schedule: SettingsSchedule | None = None
    groups: tuple[Part, ...] = ()
    members: Members | None = None
    steps: int = 0
    _now: dict[str, Any] = field(default_factory=dict)  # the settings of the latest step
    _masks: dict[frozenset[str], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parts = (Part(self.settings, self.schedule), *self.groups)
        self.changes = any(part.schedule for part in self.parts)
        self.columns = self._columns_of([part.settings for part in self.parts])

    def update(
        self,
        w: Tensor,
        g: Tensor,
        t: int,
        n: int,
        views: Views,
        losses: Tensor | None = None,
        unused: frozenset[str] = NOTHING,
    ) -> Tensor:
        """Return the new parameters [S, n, P] of the family's columns, and move its states on.

        `losses` [S, n] are those of the batch. Parameters that have no part in them, the `unused`, stay as they are.
        """
        if not self.rule.elementwise:
            return self._update_by_parameter(w, g, t, n, views, losses, unused)
        loss = losses.unsqueeze(-1) if losses is not None and self.rule.asks_for_loss else None
        new: Tensor
        new, states = self.rule.update(w, g, self.states, t, n, self._columns_at(t), T=self.steps, loss=loss)
        if unused:
            used = self._used(unused, w, views)
            new = new.where(used, w)
            states = tuple(state.where(used, old) for state, old in zip(states, self.states, strict=True))
        self.states = own_memory(states, w, g)
        return new

    def keep(self, columns: list[int], start: int, device: torch.device) -> Family:
        """Return the family of only these of its columns, which start at another place of the grid."""
        index = torch.tensor(columns, device=device)
        own, *groups = (part.keep(columns, index) for part in self.parts)
        states = tuple(state.index_select(1, index) for state in self.states)
        stop = start + len(columns)
        return Family(
            self.rule, start, stop, own.settings, states, own.schedule, tuple(groups), self.members, self.steps
        )

    def state(self) -> State:
        return {"states": list(self.states)}

    def restore(self, state: State) -> None:
        self.states = tuple(found.to(old.device) for found, old in zip(state["states"], self.states, strict=True))

    def go_on(self, states: tuple[Tensor, ...]) -> None:
        """Go on with these states, after steps that were not taken here."""
        self.states, self._now = states, {}

    def _columns_at(self, t: int) -> dict[str, Any]:
        """Return the settings of step t, whose tensors broadcast against [S, n, P]."""
        if not self.changes:
            return self.columns
        if not self._now or any(part.changes_at(t) for part in self.parts):
            if self.members is None and self.schedule:
                self._now = scheduled(self.columns, *map(_column_of, self.schedule.at(t)))
            else:
                self._now = self._columns_of([part.at(t) for part in self.parts])
        return self._now

    def _columns_of(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the settings of all parts as one: tensors broadcast against [S, n, P]."""
        if self.members is None:
            return _columns(parts[0])
        return {name: _spread([part[name] for part in parts], self.members) for name in parts[0]}

    def _used(self, unused: frozenset[str], w: Tensor, views: Views) -> Tensor:
        """Return which numbers [P] of the parameters are used."""
        if unused not in self._masks:
            mask = torch.ones(w.shape[-1], dtype=torch.bool, device=w.device)
            for name in unused:
                views(mask)[name].fill_(False)
            self._masks = {unused: mask}
        return self._masks[unused]

    def _update_by_parameter(
        self, w: Tensor, g: Tensor, t: int, n: int, views: Views, losses: Tensor | None, unused: frozenset[str]
    ) -> Tensor:
        """Apply a rule that looks at whole parameters to each parameter of each run by itself."""
        batched = [_split(part.at(t)) for part in self.parts]
        losses = w.new_zeros(w.shape[:2]) if losses is None else losses
        fresh = torch.clone if unused else torch.empty_like
        new, states = fresh(w), tuple(fresh(state) for state in self.states)
        old_w, old_g, old_states = views(w), views(g), [views(s) for s in self.states]
        new_w, new_states = views(new), [views(s) for s in states]
        for name in (name for name in old_w if name not in unused):
            differing, fixed = batched[self.members.by_name[name] if self.members else 0]

            def one(w: Tensor, g: Tensor, states: Any, loss: Tensor, settings: dict[str, Any]) -> Any:
                others = {"T": self.steps, "loss": loss, "name": name}  # noqa: B023
                own = {key: _per_run(value) for key, value in settings.items()}
                return self.rule.update(w, g, states, t, n, {**fixed, **own}, **others)  # noqa: B023

            over_runs = vmap(vmap(one), in_dims=(0, 0, 0, 0, None))
            own_states = tuple(s[name] for s in old_states)
            w_part, state_parts = over_runs(old_w[name], old_g[name], own_states, losses, differing)
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

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        return read()

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its losses [S, k]."""
        program = self.program
        losses, rows = program.differentiate(batch)
        if len(self.families) == 1:
            [family] = self.families
            w, g = program.weights, program.gradient
            program.replace(family.update(w, g, t, rows, program.views, losses, program.unused))
        else:
            self._update_slices(program.weights, program.gradient, t, rows, losses)
        return losses

    def _update_slices(self, weights: Tensor, gradient: Tensor, t: int, rows: int, losses: Tensor) -> None:
        """Let each family update its columns of the weights [S, k, P]."""
        views, unused = self.program.views, self.program.unused
        slices = [slice(family.start, family.stop) for family in self.families]
        for family, columns in zip(self.families, slices, strict=True):
            w, g = weights[:, columns], gradient[:, columns]
            w.copy_(family.update(w, g, t, rows, views, losses[:, columns], unused))

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
    return PerRun(value.unsqueeze(1)) if isinstance(value, Tensor) else value


def _per_run(value: Any) -> Any:
    """Return a setting of one run under vmap, a tensor, or a tuple of these and plain numbers."""
    if isinstance(value, tuple):
        return tuple(_per_run(v) for v in value)
    return PerRun(value) if isinstance(value, Tensor) else value


def _spread(values: list[Any], members: Members) -> Any:
    """Return a setting of which each part has a value of its own, as a tensor that broadcasts against [S, n, P]."""
    if isinstance(values[0], tuple):
        return tuple(_spread(list(column), members) for column in zip(*values, strict=True))
    if not any(isinstance(value, Tensor) for value in values) and all(value == values[0] for value in values):
        return values[0]
    device = doubles_on(members.places.device)
    tensors = (torch.as_tensor(value, dtype=torch.float64, device=device).reshape(-1) for value in values)
    columns = torch.broadcast_tensors(*tensors)
    return PerRun(torch.stack(columns, 1).index_select(1, members.places.to(device)))


def _split(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that differ between columns, and those that do not."""

    def differs(value: Any) -> bool:
        return any(isinstance(v, Tensor) for v in (value if isinstance(value, tuple) else (value,)))

    batched = {name: value for name, value in settings.items() if differs(value)}
    return batched, {name: value for name, value in settings.items() if name not in batched}


def can_join(registry: Registry, run: Run) -> str:
    """Return why the optimizer of a run cannot be stacked with others, or nothing when it can."""
    choice = run.choices["optimizer"]
    if "can_join" not in choice.notes:
        choice.notes["can_join"] = _why_apart(registry, choice)
    return choice.notes["can_join"]


def _why_apart(registry: Registry, choice: Choice) -> str:
    component = registry.find("optimizer", choice.name)
    if makes_optimizer(component.load()):
        return f"{component.name} is an optimizer class, not an update rule"
    words = [key for table in groups_of(choice).values() for key, value in table.items() if not _is_float(value)]
    return f"its groups differ in {words[0]}, which is no number" if words else ""


def program_key(run: Run) -> str:
    """Return what two runs must share to be in one family: the rule, its groups, and every setting that is no float."""
    choice = run.choices["optimizer"]
    if "program" not in choice.notes:
        choice.notes["program"] = _program_key(choice)
    return choice.notes["program"]


def _program_key(choice: Choice) -> str:
    groups = groups_of(choice)
    static = {k: v for k, v in choice.settings.items() if not _is_float(v)}
    if groups:
        static[GROUPS] = [[pattern, sorted(table)] for pattern, table in groups.items()]
    return json.dumps([choice.name, choice.alternative.fingerprint, static], sort_keys=True, default=str)


TimetableOf = Callable[..., Timetable | None]  # of a run, and of a learning rate that is not its optimizer's


def make_families(
    registry: Registry,
    grid: Grid,
    flat: Tensor,
    timetable: TimetableOf = lambda run, rate=None: None,
    views: Views = lambda flat: {},
    steps: int = 0,
) -> list[Family]:
    """Return the families of a grid, whose columns are sorted by family, for parameters [S, K, P].

    `timetable` tells how a run's settings change in the course of time, `views` are those of the program, and `steps`
    are those of the training. Raises GroupError where groups do not fit the parameters.
    """
    families = []
    for group in _neighbours(grid):
        runs, start, stop = [run for _, run in group], group[0][0], group[-1][0] + 1
        rule = read_rule(registry.find("optimizer", runs[0].choices["optimizer"].name).load())
        states = tuple(
            torch.zeros_like(flat[:, start:stop], memory_format=torch.contiguous_format) for _ in rule.states
        )
        (own, *others), members = parts_of(registry, runs, list(views(flat)), timetable, flat)
        whose = _members(members, views, flat) if others else None
        families.append(Family(rule, start, stop, own.settings, states, own.schedule, tuple(others), whose, steps))
    return families


def parts_of(
    registry: Registry, runs: list[Run], names: list[str], timetable: TimetableOf, like: Tensor
) -> tuple[list[Part], dict[str, int]]:
    """Return the parts into which groups divide the parameters of the runs of a family, and which one each is in."""
    component = registry.find("optimizer", runs[0].choices["optimizer"].name)
    groupings = [group_parameters(names, groups_of(run.choices["optimizer"])) for run in runs]
    parts = []
    for i in range(len(groupings[0].overrides)):
        settings = [
            {**run.choices["optimizer"].settings, **grouping.overrides[i]}
            for run, grouping in zip(runs, groupings, strict=True)
        ]
        live = [own_settings(registry, component, own, like.dtype) for own in settings]
        parts.append(Part(stack_settings(live, like), _schedule_of(runs, settings, timetable, like)))
    return parts, groupings[0].members


def _schedule_of(
    runs: list[Run], settings: list[dict[str, Any]], timetable: TimetableOf, like: Tensor
) -> SettingsSchedule | None:
    """Return what schedulers make of the settings of some parameters, or None where none is asked for."""
    rates = [own.get("lr") for own in settings]
    own_rates = [run.choices["optimizer"].settings.get("lr") for run in runs]
    timetables = [
        timetable(run) if rate == own else timetable(run, rate)
        for run, rate, own in zip(runs, rates, own_rates, strict=True)
    ]
    momenta = [own["betas"][0] if own.get("betas") else own.get("momentum") for own in settings]
    found = [table for table in timetables if table]
    return SettingsSchedule(found, momenta, like) if found else None


def _members(by_name: dict[str, int], views: Views, flat: Tensor) -> Members:
    places = torch.zeros(flat.shape[-1], dtype=torch.int64, device=flat.device)
    for name, view in views(places).items():
        view.fill_(by_name[name])
    return Members(by_name, places)


def keep_columns(families: list[Family], columns: list[int], device: torch.device) -> list[Family]:
    """Return the families with only these columns of the grid."""
    kept: list[Family] = []
    for family in families:
        inside = [column - family.start for column in columns if family.start <= column < family.stop]
        if inside:
            kept.append(family.keep(inside, kept[-1].stop if kept else 0, device))
    return kept


def _chosen(value: Any, index: Tensor) -> Any:
    if isinstance(value, tuple):
        return tuple(_chosen(v, index) for v in value)
    return value.index_select(0, index.to(value.device)) if isinstance(value, Tensor) else value


def families_of(grid: Grid) -> list[tuple[int, ...]]:
    """Return the columns of each family of a grid."""
    return [tuple(column for column, _ in group) for group in _neighbours(grid)]


def _neighbours(grid: Grid) -> Iterator[list[tuple[int, Run]]]:
    columns = enumerate(grid.runs[0])
    for _, group in groupby(columns, key=lambda column: program_key(column[1])):
        yield list(group)


def stack_settings(settings: list[dict[str, Any]], like: Tensor) -> dict[str, Any]:
    """Return for each float setting one number, or a tensor [n] in double precision where the columns differ."""
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
    return torch.tensor(values, dtype=torch.float64, device=doubles_on(like.device))


def _is_float(value: Any) -> bool:
    """Whether a setting is a number, or a tuple of them, that may differ between runs of one program."""
    if isinstance(value, tuple):
        return bool(value) and all(isinstance(v, float) for v in value)
    return isinstance(value, float)
