"""The optimizers of a grid: families of rules side by side, or that of a lone run which works on its module."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor
from xprun.runner.engine.module_families import ParameterRule, torch_optimizer
from xprun.runner.engine.optimizer_families import Families, Family, make_families, schedule_of
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.programs.program import Differentiable, Program
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.resolve.build import own_settings
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload

FLAT_LIMIT = 1_000_000  # parameters: above this, gathering the gradients into one vector costs more than it saves


class Optimizers(Protocol):
    """What moves the parameters of a program."""

    builds_graphs: bool  # whether its steps want what they compute to be differentiable

    def train(self, mode: bool) -> None:
        """Get ready for steps, or for a look at the parameters that these lead to."""

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t, counted from 1, with a batch and return its losses [S, k]."""

    def keep(self, columns: list[int]) -> None:
        """Go on with these of the columns only."""

    def state(self) -> State:
        """Return what the next step depends on beside the parameters."""

    def restore(self, state: State) -> None:
        """Go on from such a state; the parameters are as they were then."""


def make_optimizers(work: Workload, grid: Grid, program: Program) -> Optimizers:
    """Return what takes the steps of a grid on the parameters of its program."""
    if not program.batched:
        return _for_module(work, grid, cast(Autograd, program))
    batched = cast(Differentiable, program)
    return Families(batched, make_families(work.registry, grid, batched.flat, work.timetable))


def _for_module(work: Workload, grid: Grid, program: Autograd) -> Optimizers:
    """Return what takes the steps of a lone run: on one vector where the rule allows it, which is fastest."""
    [run] = grid.every_run
    component = work.registry.find("optimizer", run.choices["optimizer"].name)
    thing, settings = component.load(), own_settings(work.registry, component, run.choices["optimizer"].settings)
    schedule = schedule_of([run], work.timetable, torch.empty(()))
    if isinstance(thing, type):
        return torch_optimizer(thing, program, settings, schedule)
    rule = read_rule(thing)
    if rule.elementwise and program.parameters <= FLAT_LIMIT:
        program.flatten()
        states = tuple(torch.zeros_like(program.weights) for _ in rule.states)
        return Families(program, [Family(rule, 0, 1, settings, states, schedule)])
    return ParameterRule(rule, program, settings, schedule)
