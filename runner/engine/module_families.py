"""Families of one run that work on the parameters of its module: rules on whole parameters, torch.optim classes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from xprun.runner.engine.settings_schedule import SettingsSchedule
from xprun.runner.engine.update_rules import Rule, own_memory
from xprun.runner.resolve.timetable import scheduled
from xprun.runner.store.snapshots import State


class ModuleProgram(Protocol):
    """What these families ask of a program: the backward pass of one module, whose parameters are `trained`."""

    @property
    def trained(self) -> Sequence[Tensor]:
        """The parameters that are trained."""

    def gradients(self, batch: Any) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the loss of a batch and the gradients of the `trained` parameters."""

    def backward(self, batch: Any) -> Tensor:
        """Return the loss of a batch; add its gradient to the `grad` of each parameter that has a part in it."""

    def rows_in(self, batch: Any) -> int:
        """Return how many rows a batch has."""


class ParameterRule:
    """An update rule that is given each parameter by itself."""

    builds_graphs = False

    def __init__(
        self, rule: Rule, program: ModuleProgram, settings: dict[str, Any], schedule: SettingsSchedule | None = None
    ) -> None:
        self.rule, self.program, self.settings, self.schedule = rule, program, settings, schedule
        self.states = [tuple(torch.zeros_like(w) for _ in rule.states) for w in program.trained]
        self._now = settings if schedule is None else {}  # the settings of the latest step

    def train(self, mode: bool) -> None:
        """Do nothing: a rule has no modes."""

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its loss."""
        if self.schedule and (not self._now or self.schedule.changes_at(t)):
            self._now = scheduled(self.settings, *self.schedule.at(t))
        loss, gradients = self.program.gradients(batch)
        rows = self.program.rows_in(batch)
        for i, (w, g) in enumerate(zip(self.program.trained, gradients, strict=True)):
            new, states = self.rule.update(w, g, self.states[i], t, rows, self._now)
            self.states[i] = own_memory(states, w)
            w.copy_(new)
        return loss

    def keep(self, columns: list[int]) -> None:
        """Nothing can leave."""

    def state(self) -> State:
        return {"states": [list(states) for states in self.states]}

    def restore(self, state: State) -> None:
        pairs = zip(self.program.trained, state["states"], strict=True)
        self.states = [tuple(tensor.to(w.device) for tensor in states) for w, states in pairs]


class TorchOptimizer:
    """A `torch.optim.Optimizer`, of torch or of anyone, which owns the parameters of a module."""

    builds_graphs = True

    def __init__(
        self,
        cls: type[torch.optim.Optimizer],
        program: ModuleProgram,
        settings: dict[str, Any],
        schedule: SettingsSchedule | None = None,
    ) -> None:
        self.program, self.settings, self.schedule, self.t = program, settings, schedule, 0
        self.optimizer: Any = cls(list(program.trained), **settings)

    def train(self, mode: bool) -> None:
        """Put the parameters of a mode in place, where the class has such, as schedule-free ones have."""
        change = getattr(self.optimizer, "train" if mode else "eval", None)
        if callable(change):
            change()

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its loss."""
        self.t = t
        if self.schedule and self.schedule.changes_at(t):
            self._change(scheduled(self.settings, *self.schedule.at(t)))
        return self.take(batch)

    def take(self, batch: Any) -> Tensor:
        """Change the parameters; return the loss before that, detached."""
        self.optimizer.zero_grad()
        loss = self.program.backward(batch)
        self.optimizer.step()
        return loss.detach()

    def _change(self, settings: dict[str, Any]) -> None:
        news = {name: value for name, value in settings.items() if value != self.settings[name]}
        self.settings = settings
        for group in self.optimizer.param_groups:
            group.update(news)

    def keep(self, columns: list[int]) -> None:
        """Nothing can leave."""

    def state(self) -> State:
        return {"t": self.t, "optimizer": dict(self.optimizer.state_dict())}

    def restore(self, state: State) -> None:
        self.t = state["t"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule and self.t:
            self._change(scheduled(self.settings, *self.schedule.at(self.t)))


class ClosureOptimizer(TorchOptimizer):
    """A `torch.optim.Optimizer` that evaluates the loss several times in a step, as LBFGS does."""

    def take(self, batch: Any) -> Tensor:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            return self.program.backward(batch)

        loss: Tensor = self.optimizer.step(closure)
        return loss.detach()


def torch_optimizer(
    cls: type[torch.optim.Optimizer],
    program: ModuleProgram,
    settings: dict[str, Any],
    schedule: SettingsSchedule | None = None,
) -> TorchOptimizer:
    """Return the family of a class, with a closure if its step asks for one."""
    kind = ClosureOptimizer if needs_closure(cls) else TorchOptimizer
    return kind(cls, program, settings, schedule)


def needs_closure(cls: type[torch.optim.Optimizer]) -> bool:
    """Whether a step of the class evaluates the loss itself."""
    closure = inspect.signature(cls.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty
