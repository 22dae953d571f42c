"""One optimizer step of a lone run: with an update rule, or with a torch.optim class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from xprun.runner.engine.update_rules import Rule, own_memory
from xprun.runner.resolve.timetable import Timetable
from xprun.runner.store.snapshots import State

FLAT_LIMIT = 1_000_000  # parameters: above this, gathering the gradients into one vector costs more than it saves


class Update(Protocol):
    """Takes one step: computes the loss, its gradient, and changes the parameters."""

    def set_mode(self, *, training: bool) -> None:
        """Get ready for steps, or for a look at the parameters between them."""

    def step(self, loss_of: Callable[[], Tensor], rows: int) -> Tensor:
        """Return the loss before the change, detached; `rows` is the size of the batch."""

    def state(self) -> State:
        """Return what the next step depends on beside the parameters."""

    def restore(self, state: State) -> None:
        """Go on from such a state; the parameters are as they were then."""


class Changeable(Update, Protocol):
    """An update whose settings a scheduler may change between steps."""

    settings: dict[str, Any]


class ScheduledUpdate:
    """An update whose settings change by a timetable."""

    def __init__(self, update: Changeable, timetable: Timetable) -> None:
        self.update, self.timetable, self.t = update, timetable, 0

    def set_mode(self, *, training: bool) -> None:
        self.update.set_mode(training=training)

    def step(self, loss_of: Callable[[], Tensor], rows: int) -> Tensor:
        self.t += 1
        if self.timetable.changes_at(self.t):
            self.update.settings = self.timetable.settings_at(self.t, self.update.settings)
        return self.update.step(loss_of, rows)

    def state(self) -> State:
        return {"t": self.t, "update": self.update.state()}

    def restore(self, state: State) -> None:
        self.t = state["t"]
        self.update.restore(state["update"])
        self.update.settings = self.timetable.settings_at(self.t, self.update.settings)


class ClassUpdate:
    """A `torch.optim.Optimizer`."""

    def __init__(self, cls: type[torch.optim.Optimizer], module: nn.Module, settings: dict[str, Any]) -> None:
        self.optimizer: Any = cls([p for p in module.parameters() if p.requires_grad], **settings)
        self._settings = settings

    @property
    def settings(self) -> dict[str, Any]:
        return self._settings

    @settings.setter
    def settings(self, changed: dict[str, Any]) -> None:
        news = {name: value for name, value in changed.items() if value != self._settings[name]}
        self._settings = changed
        for group in self.optimizer.param_groups:
            group.update(news)

    def set_mode(self, *, training: bool) -> None:
        set_mode(self.optimizer, training=training)

    def step(self, loss_of: Callable[[], Tensor], rows: int) -> Tensor:
        self.optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def state(self) -> State:
        return dict(self.optimizer.state_dict())

    def restore(self, state: State) -> None:
        self.optimizer.load_state_dict(state)


class ClosureUpdate(ClassUpdate):
    """A `torch.optim.Optimizer` that evaluates the loss several times in a step, as LBFGS does."""

    def step(self, loss_of: Callable[[], Tensor], rows: int) -> Tensor:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            return loss

        loss: Tensor = self.optimizer.step(closure)
        return loss.detach()


def set_mode(optimizer: Any, *, training: bool) -> None:
    """Call `train()` or `eval()` of an optimizer that has them, as a schedule-free one does to move its parameters."""
    change = getattr(optimizer, "train" if training else "eval", None)
    if callable(change):
        change()


class RuleUpdate:
    """A rule, applied to each parameter by itself."""

    def __init__(self, rule: Rule, module: nn.Module, settings: dict[str, Any]) -> None:
        self.rule, self.settings, self.t = rule, settings, 0
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.states = [tuple(torch.zeros_like(p) for _ in rule.states) for p in self.parameters]

    def set_mode(self, *, training: bool) -> None:
        """A rule has no modes."""

    def step(self, loss_of: Callable[[], Tensor], rows: int) -> Tensor:
        self.t += 1
        loss = loss_of()
        gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        with torch.no_grad():
            for i, (w, g) in enumerate(zip(self.parameters, gradients, strict=True)):
                new, states = self.rule.update(w, g, self.states[i], self.t, rows, self.settings)
                self.states[i] = own_memory(states, w)
                w.copy_(new)
        return loss.detach()

    def state(self) -> State:
        return {"t": self.t, "states": [list(states) for states in self.states]}

    def restore(self, state: State) -> None:
        self.t = state["t"]
        pairs = zip(self.parameters, state["states"], strict=True)
        self.states = [tuple(tensor.to(w.device) for tensor in states) for w, states in pairs]


class FlatRuleUpdate:
    """An elementwise rule, applied once to all parameters of the model as one vector [P]."""

    def __init__(self, rule: Rule, module: nn.Module, settings: dict[str, Any]) -> None:
        self.rule, self.settings, self.t = rule, settings, 0
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.flat = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        self.states = tuple(torch.zeros_like(self.flat) for _ in rule.states)
        for parameter, part in zip(self.parameters, self.flat.split([p.numel() for p in self.parameters]), strict=True):
            parameter.data = part.view_as(parameter)

    def set_mode(self, *, training: bool) -> None:
        """A rule has no modes."""

    def step(self, loss_of: Callable[[], Tensor], rows: int) -> Tensor:
        self.t += 1
        loss = loss_of()
        gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        with torch.no_grad():
            g = torch.cat([gradient.reshape(-1) for gradient in gradients])
            new, states = self.rule.update(self.flat, g, self.states, self.t, rows, self.settings)
            self.states = own_memory(states, self.flat)
            self.flat.copy_(new)
        return loss.detach()

    def state(self) -> State:
        return {"t": self.t, "states": list(self.states)}

    def restore(self, state: State) -> None:
        self.t = state["t"]
        self.states = tuple(tensor.to(self.flat.device) for tensor in state["states"])


def make_update(
    optimizer: type[torch.optim.Optimizer] | Rule,
    module: nn.Module,
    settings: dict[str, Any],
    timetable: Timetable | None = None,
) -> Update:
    """Return the update of a module by a `torch.optim` class or by a rule, with the optimizer's settings.

    A timetable changes them in the course of the run.
    """
    update = _make_update(optimizer, module, settings)
    return ScheduledUpdate(update, timetable) if timetable else update


def _make_update(
    optimizer: type[torch.optim.Optimizer] | Rule, module: nn.Module, settings: dict[str, Any]
) -> Changeable:
    if not isinstance(optimizer, Rule):
        closure = inspect.signature(optimizer.step).parameters["closure"]
        update = ClosureUpdate if closure.default is closure.empty else ClassUpdate
        return update(optimizer, module, settings)
    size = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if optimizer.elementwise and size <= FLAT_LIMIT:
        return FlatRuleUpdate(optimizer, module, settings)
    return RuleUpdate(optimizer, module, settings)
