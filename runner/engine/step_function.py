"""A step of a training as a pure function of tensors, from which a compiler can make a loop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from xprun.runner.engine.optimizer_families import Families, Family, program_key
from xprun.runner.engine.per_run import PerRun
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.programs.linear_stack_gradient import gradient_of as linear_stack_gradient
from xprun.runner.engine.programs.stacked import Stacked

if TYPE_CHECKING:
    from xprun.runner.engine.loop import Training


class NotPureError(Exception):
    """A step depends on more than tensors that are handed to it, or changes more than it returns."""


class HandedOver(NamedTuple):
    """How many tensors of a family of optimizers a step takes beside its parameters."""

    settings: int
    states: int


class Moved(NamedTuple):
    """A setting that a scheduler changes: the family whose it is, and which of the two that there are."""

    family: int
    is_momentum: bool


@dataclass(frozen=True)
class StepFunction:
    """`call(t, x, y, *parameters, *settings, *states)` is one step of the runs [S, K]: parameters, losses, states.

    The losses are [S, K], the parameters [S, n, P] for each family of optimizers. `settings` are those numbers of the
    optimizers that are handed in, in double precision [n, 1] or [n, P] each, so that others make no other function;
    those that a scheduler changes have values for each step. `identity` says what else decides what is computed; where
    the step is one of `any_runs`, that is not how many seeds and settings there are. `families` tells how many settings
    and states each family has.
    """

    call: Callable[..., list[Tensor]]
    settings: list[Tensor | Moved]
    identity: str
    families: tuple[HandedOver, ...] = ()
    any_runs: bool = False

    @property
    def moves(self) -> list[bool]:
        """Which settings have a value for each step."""
        return [isinstance(one, Moved) for one in self.settings]

    def settings_over(self, families: list[Family], start: int, count: int) -> list[Tensor]:
        """Return the settings of the steps after `start`: those that move are [count, n, 1]."""
        schedules = [f.schedule.over(start, count) if f.schedule else () for f in families]

        def value_of(setting: Tensor | Moved) -> Tensor:
            if isinstance(setting, Tensor):
                return setting
            return cast(Tensor, schedules[setting.family][setting.is_momentum]).unsqueeze(2)

        return list(map(value_of, self.settings))


def step_function(training: Training, *, may_draw: bool = False) -> StepFunction:
    """Return the step of a training in its program's layout.

    Where it `may_draw`, that of a model with dropout draws from the generators of its program, beside what it returns.
    Raises NotPureError where it is no such function.
    """
    _check(training, may_draw)
    program, families, T = stacked(training), families_of_rules(training), training.work.schedule.steps
    gradient_of = linear_stack_gradient(program) if isinstance(program, LinearStack) else _traced_gradient(training)
    settings = [_Handed.of(family, i, program.flat) for i, family in enumerate(families)]

    def call(t: Tensor, x: Tensor, y: Tensor, *others: Tensor) -> list[Tensor]:
        left = iter(others)
        parameters = [next(left) for _ in families]
        gradient, losses = gradient_of(parameters[0] if len(parameters) == 1 else torch.cat(parameters, 1), x, y)
        given = [own.filled(left) for own in settings]
        new: list[Tensor] = []
        states: list[Tensor] = []
        start = 0
        for family, w, numbers in zip(families, parameters, given, strict=True):
            own, stop = tuple(next(left) for _ in family.states), start + w.shape[1]
            g, loss = gradient[:, start:stop], losses[:, start:stop, None]
            moved, own = family.rule.update(w, g, own, PerRun(t), x.shape[1], numbers, T=T, loss=loss)
            new.append(moved)
            states += own
            start = stop
        return [*new, losses, *states]

    counts = [HandedOver(len(own.names), len(f.states)) for own, f in zip(settings, families, strict=True)]
    handed = [value for own in settings for value in own.values]
    any_runs = isinstance(program, LinearStack)
    return StepFunction(call, handed, _identity(training, settings, any_runs), tuple(counts), any_runs)


def stacked(training: Training) -> Stacked:
    """Return the program of a training, which is a batched one."""
    return cast(Stacked, training.program)


def families_of_rules(training: Training) -> list[Family]:
    """Return the families of a training in a batched program, which are of rules all."""
    return cast(Families, training.optimizers).families


def _check(training: Training, may_draw: bool) -> None:
    if not all(family.rule.elementwise for family in families_of_rules(training)):
        raise NotPureError("a rule looks at whole parameters")
    if any(family.changes and family.members for family in families_of_rules(training)):
        raise NotPureError("a scheduler changes the settings of groups of parameters")
    if not isinstance(training.work.train.inputs, Tensor):
        raise NotPureError("the inputs are several tensors, or are not in memory")
    program = stacked(training)
    if not (program.pure or (may_draw and program.generators and not program.held)):
        raise NotPureError("the model draws random numbers, or keeps running statistics, or has frozen parameters")
    if stacked(training).unused:
        raise NotPureError("some parameters have no part in the loss")


Name = tuple[str, int | None]  # a setting, and the place in it where it is a pair


@dataclass(frozen=True)
class _Handed:
    """The settings of a family: those that are handed in, in double precision [n, 1] or [n, P], and the others."""

    fixed: dict[str, Any]
    names: list[Name]
    values: list[Tensor | Moved]

    @classmethod
    def of(cls, family: Family, place: int, like: Tensor) -> _Handed:
        fixed: dict[str, Any] = {}
        handed: dict[Name, Tensor | Moved] = {}
        for key, value in family.columns.items():
            parts = value if isinstance(value, tuple) else (value,)
            if parts and all(isinstance(part, float | PerRun) for part in parts):
                for i, part in enumerate(parts):
                    name = key, i if isinstance(value, tuple) else None
                    handed[name] = _column(part, family.stop - family.start, like)
            else:
                fixed[key] = value
        if family.schedule:
            handed["lr", None] = Moved(place, is_momentum=False)
            if family.schedule.cycles:
                handed[("betas", 0) if "betas" in family.columns else ("momentum", None)] = Moved(place, True)
        return cls(fixed, list(handed), list(handed.values()))

    def filled(self, handed: Any) -> dict[str, Any]:
        """Return all settings, with the next of the tensors that are handed in."""
        found: dict[str, Any] = dict(self.fixed)
        for name, place in self.names:
            value = PerRun(next(handed))
            found[name] = value if place is None else (*found.get(name, ()), value)
        return found


def _column(value: float | PerRun, n: int, like: Tensor) -> Tensor:
    if isinstance(value, PerRun):
        return value.values.contiguous()
    return like.new_full((n, 1), value, dtype=torch.float64)


def _traced_gradient(training: Training) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return what makes gradients [S, K, P] and losses [S, K] of parameters [S, K, P] and a batch [S, B, ...]."""
    module, loss, views = stacked(training).module, training.work.loss, stacked(training).views
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}

    def loss_of(flat: Tensor, x: Tensor, y: Tensor, masks: dict[str, Tensor]) -> Tensor:
        parameters = {name: view.reshape(shapes[name]) for name, view in views(flat).items()}
        return loss(functional_call(module, {**parameters, **masks}, (x,)), y)

    of_every_run = vmap(vmap(grad_and_value(loss_of), in_dims=(0, None, 0, None)))
    draw = stacked(training).draw_masks

    def gradient(flat: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # Targets are expanded over the runs: some losses cannot be batched over an input without its target.
        targets = y.unsqueeze(1).expand(len(y), flat.shape[1], *y.shape[1:])
        gradients, losses = of_every_run(flat, x, targets, draw(y.shape[1]))
        return gradients, losses

    return gradient


def _identity(training: Training, settings: Sequence[_Handed], any_runs: bool) -> str:
    """Return what decides what a step computes, beside the tensors that are handed in, as JSON."""
    grid, work = training.grid, training.work
    run, first = grid.runs[0][0], [grid.runs[0][f.start] for f in families_of_rules(training)]
    asks_for_steps = any("T" in family.rule.positions for family in families_of_rules(training))
    criterion = getattr(work.loss, "loss", work.loss)  # of one of several outputs
    weights = criterion.state_dict() if isinstance(criterion, nn.Module) else {}
    said = {
        "model": run.choices["model"].identity,
        "loss": [run.choices["loss"].identity, _digest(weights)],
        "families": [program_key(one) for one in first],
        "settings": [[repr(own.fixed), own.names, [_kind(v, any_runs) for v in own.values]] for own in settings],
        "program": [training.program.name, list(stacked(training).flat.shape[2 * any_runs :]), str(work.dtype)],
        "steps": work.schedule.steps if asks_for_steps else None,
    }
    return json.dumps(said, sort_keys=True)


def _kind(value: Tensor | Moved, any_runs: bool) -> Any:
    """Return what of a setting that is handed in decides how it is used."""
    return "each step" if isinstance(value, Moved) else list(value.shape[any_runs:])


def _digest(held: dict[str, Any]) -> str:
    """Return a digest of tensors by name: the weights of classes, which may come from the data."""
    digest = hashlib.sha256()
    for name, value in held.items():
        digest.update(name.encode())
        if isinstance(value, Tensor):
            digest.update(repr((value.dtype, value.tolist())).encode())
    return digest.hexdigest()
