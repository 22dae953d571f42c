"""The optimizers of a grid: families of rules side by side, or that of a lone run which works on its module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.optim import Optimizer
from xprun.plugins.blame import blaming, described
from xprun.plugins.registry import Component
from xprun.plugins.signature import makes_optimizer
from xprun.runner.engine.backend_steps import BackendSteps
from xprun.runner.engine.module_families import ParameterRule, VectorRule
from xprun.runner.engine.optimizer_families import Families, make_families, parts_of
from xprun.runner.engine.optimizer_objects import Make, TorchOptimizer, maker
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.programs.program import Differentiable, Program
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.resolve.build import is_of_library, own_settings
from xprun.runner.resolve.parameter_groups import Grouping, group_parameters, groups_of
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload
from xprun.specs import Choice
from xprun.specs.language.schema import TORCH

FLAT_LIMIT = 1_000_000  # parameters: above this, gathering the gradients into one vector costs more than it saves


class Optimizers(Protocol):
    """What moves the parameters of a program."""

    builds_graphs: bool  # whether its steps want what they compute to be differentiable

    def train(self, mode: bool) -> None:
        """Get ready for steps, or for a look at the parameters that these lead to."""

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        """Return what `read` reads of the parameters, between two steps, as a measurement would see them."""

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
    if work.backend != TORCH:
        [run] = grid.every_run
        return BackendSteps(work, run, cast(Autograd, program))
    if not program.batched:
        return _for_module(work, grid, cast(Autograd, program))
    batched, steps = cast(Differentiable, program), work.schedule.steps
    families = make_families(work.registry, grid, batched.flat, work.timetable, batched.views, steps)
    return Families(batched, families)


def _for_module(work: Workload, grid: Grid, program: Autograd) -> Optimizers:
    """Return what takes the steps of a lone run: on one vector where the rule allows it, which is fastest."""
    [run] = grid.every_run
    choice = run.choices["optimizer"]
    component = work.registry.find("optimizer", choice.name)
    thing = component.load()
    if makes_optimizer(thing):
        settings = own_settings(work.registry, component, choice.settings, work.dtype)
        make = _blaming(component, choice, maker(thing, program, settings, _grouping(work, component, choice, program)))
        saved = run.settings.checkpoint_every is not None
        return TorchOptimizer(make, program, partial(work.timetable, run) if work.timetable(run) else None, saved=saved)
    rule, steps = read_rule(thing), work.schedule.steps
    parts, by_name = parts_of(work.registry, [run], program.names, work.timetable, torch.empty((), dtype=work.dtype))
    if not rule.elementwise or program.parameters > FLAT_LIMIT:
        return ParameterRule(rule, program, parts, [by_name[name] for name in program.names], steps)
    program.flatten(sorted(range(len(program.names)), key=lambda i: by_name[program.names[i]]))
    return VectorRule(rule, program, parts, [by_name[name] for name in program.names], steps)


def _blaming(component: Component, choice: Choice, make: Make) -> Make:
    """Return what makes an optimizer; one of a library lets its exceptions tell what it was to be made of."""
    if not is_of_library(component):
        return make
    given = {name: choice.settings[name] for name in choice.settings if name in choice.alternative.written}

    def made() -> Optimizer:
        with blaming("optimizer", f"{described(choice.name, given)} cannot be made"):
            return make()

    return made


def _grouping(work: Workload, component: Component, choice: Choice, program: Autograd) -> Grouping:
    """Return the groups of the parameters of a module, with settings as the optimizer takes them."""
    found = group_parameters(program.names, groups_of(choice))
    live = tuple(own_settings(work.registry, component, own, work.dtype) for own in found.overrides)
    return replace(found, overrides=live)
