"""Optimizers that are objects in the style of torch.optim, of torch or of anyone, and own parameters of a module."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from xprun.plugins.signature import HANDED_IN
from xprun.runner.engine.module_families import ModuleProgram
from xprun.runner.engine.optimizer_state import groups_in, optimizers_in, restore, state_of
from xprun.runner.resolve.parameter_groups import GroupError, Grouping
from xprun.runner.resolve.timetable import ScheduleError, Timetable
from xprun.runner.store.snapshots import State

# How optimizers say that the gradients they are given have to be differentiable themselves.
WANTS_GRAPH = re.compile(r"create_graph|grad_fn|does not require grad|requires_grad|hessian", re.IGNORECASE)

Make = Callable[[], Optimizer]
RatesOf = Callable[[float], Timetable | None]  # what a scheduler makes of a learning rate


def maker(
    thing: Callable[..., Any], program: ModuleProgram, settings: dict[str, Any], grouping: Grouping | None = None
) -> Make:
    """Return what makes the optimizer of a class, or of a function that returns one, for the parameters of a module."""
    asked = [name for name in inspect.signature(thing).parameters if name in HANDED_IN]

    def make() -> Optimizer:
        trained = list(program.trained)
        divided = grouping if grouping and len(grouping.overrides) > 1 else None
        offered = {
            "params": _in_groups(divided, program) if divided else trained,
            "named_parameters": list(zip(program.names, trained, strict=True)),
            "model": program.module,
        }
        if divided and asked and "params" not in asked:
            raise GroupError(f"{_name(thing)} makes the groups of its parameters itself: groups need `params`")
        handed = {name: offered[name] for name in asked}
        try:
            made = thing(**handed, **settings) if asked else thing(offered["params"], **settings)
        except (AttributeError, TypeError) as error:  # it looks into what it takes for parameters
            if not divided:
                raise
            raise GroupError(f"{_name(thing)} takes no groups of parameters: {error}") from error
        if not isinstance(made, Optimizer):
            raise TypeError(f"{_name(thing)} returns a {type(made).__name__}, not a torch.optim.Optimizer")
        if divided:
            _refuse_unknown(divided, made, _name(thing))
        return made

    return make


def _name(thing: Any) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


def _in_groups(grouping: Grouping, program: ModuleProgram) -> list[dict[str, Any]]:
    """Return the parameters of a module as the groups that torch.optim takes."""
    pairs = list(zip(program.names, program.trained, strict=True))
    parts = [[p for name, p in pairs if grouping.members[name] == i] for i in range(len(grouping.overrides))]
    return [{"params": part, **own} for part, own in zip(parts, grouping.overrides, strict=True) if part]


def _refuse_unknown(grouping: Grouping, optimizer: Optimizer, name: str) -> None:
    """Raise GroupError where a group has a setting that the optimizer reads from no group."""
    written, optimizers = {key for own in grouping.overrides for key in own}, optimizers_in(optimizer)
    for group in groups_in(optimizer):
        owners = [one for one in optimizers if any(group is its for its in one.param_groups)]
        known = {key for owner in owners for key in owner.defaults}
        if unread := sorted(written & (group.keys() - known)):
            its = ", ".join(sorted(known))
            raise GroupError(f"{name} has no {unread[0]!r} for each group of parameters; its groups have {its}")


class RateSchedule:
    """What a scheduler makes of the learning rates of an optimizer: each group's own, those of inner ones, too."""

    def __init__(self, optimizer: Optimizer, rates: RatesOf) -> None:
        groups = [group for group in groups_in(optimizer) if isinstance(group.get("lr"), int | float | Tensor)]
        made = {rate: rates(rate) for rate in dict.fromkeys(float(group["lr"]) for group in groups)}
        self.groups = [(group, table) for group in groups if (table := made[float(group["lr"])])]
        self.optimizers = len(optimizers_in(optimizer))
        if not groups:
            raise ScheduleError(f"no group of parameters of {type(optimizer).__name__} has an 'lr' to be scheduled")

    def set(self, t: int) -> None:
        """Let the groups have the values of step t."""
        for group, table in self.groups:
            if table.changes_at(t):
                _set(group, table.settings_at(t, {}))

    def check(self, optimizer: Optimizer) -> None:
        """Raise ScheduleError where the first step has made an optimizer, whose learning rates are out of reach."""
        if len(optimizers_in(optimizer)) > self.optimizers:
            raise ScheduleError(
                f"{type(optimizer).__name__} makes an optimizer in its first step, which no scheduler reaches: make it "
                "in the constructor"
            )


def _set(group: dict[str, Any], values: dict[str, Any]) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(values["lr"])
    else:
        group["lr"] = values["lr"]
    if "momentum" in values and "betas" in group:
        group["betas"] = (values["momentum"], *group["betas"][1:])
    elif "momentum" in values and "momentum" in group:
        group["momentum"] = values["momentum"]


class TorchOptimizer:
    """A `torch.optim.Optimizer` with the backward pass of a module.

    Its `step` is given a closure, and gradients that are differentiable themselves, if it asks for that: by a parameter
    `closure` without a default, by an attribute `create_graph` (or `is_second_order`), or by refusing its first step
    without. With `saved`, it is an error to keep what a snapshot cannot hold.
    """

    builds_graphs = True

    def __init__(
        self, make: Make, program: ModuleProgram, rates: RatesOf | None = None, *, saved: bool = False
    ) -> None:
        self.make, self.program, self.rates, self.saved = make, program, rates, saved
        self.begun = False
        self._create()
        closure = _closure_of(self.optimizer)
        self.closure = closure is not None and closure.default is closure.empty
        self.graph = any(getattr(self.optimizer, name, False) is True for name in ("create_graph", "is_second_order"))

    def _create(self) -> None:
        self.optimizer: Any = self.make()
        self.schedule = RateSchedule(self.optimizer, self.rates) if self.rates else None

    def train(self, mode: bool) -> None:
        """Put the parameters of a mode in place, where the class has such, as schedule-free ones have."""
        change = getattr(self.optimizer, "train" if mode else "eval", None)
        if callable(change):
            change()

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        """Return what `read` reads of the parameters as they are measured; to look at them changes no bit."""
        if not callable(getattr(self.optimizer, "eval", None)):
            return read()
        before = [p.detach().clone() for p in self.program.trained]
        with torch.no_grad():
            self.train(False)
            found = read()
            self.train(True)
            for parameter, values in zip(self.program.trained, before, strict=True):
                parameter.copy_(values)
        return found

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its loss."""
        if not self.begun:
            return self._first_step(batch, t)
        if self.schedule:
            self.schedule.set(t)
        return self.take(batch)

    def take(self, batch: Any) -> Tensor:
        """Change the parameters; return the loss before that, detached."""
        loss = self._backward(batch)
        if self.closure:
            self.optimizer.step(Closure(loss, self.program.trained, lambda: self._backward(batch)))
        else:
            self.optimizer.step()
        if self.graph:
            self._forget_gradients()  # one with a graph keeps itself alive
        return loss.detach()

    def _backward(self, batch: Any) -> Tensor:
        self.optimizer.zero_grad()
        self._forget_gradients()  # those that the optimizer does not own, too
        with torch.enable_grad():
            return self.program.backward(batch, create_graph=self.graph)

    def _forget_gradients(self) -> None:
        for parameter in self.program.trained:
            parameter.grad = None

    # --- the first step, which tells what the class asks for

    def _first_step(self, batch: Any, t: int) -> Tensor:
        """Take a step in the first way that the class does not refuse; raise what it says where it refuses all."""
        before, refusals = _copy(self.program.state()), list[Exception]()
        for way in self._ways(refusals):
            self.closure, self.graph = way
            if refusals:
                self.program.restore(before)
                self._create()
                self.train(True)
            try:
                if self.schedule:
                    self.schedule.set(t)
                loss = self.take(batch)
            except Exception as error:  # whatever a class says where it lacks something
                refusals.append(error)
            else:
                self._look_at_what_it_keeps()
                return loss
        raise refusals[0]

    def _ways(self, refusals: list[Exception]) -> Iterator[tuple[bool, bool]]:
        """Yield whether a step gets a closure, and gradients with a graph: as is declared, then what was missed."""
        closure, graph = self.closure, self.graph
        yield closure, graph
        if not graph and WANTS_GRAPH.search(str(refusals[-1])):
            yield closure, True
        if not closure and _closure_of(self.optimizer):
            yield True, graph
            if not graph and WANTS_GRAPH.search(str(refusals[-1])):
                yield True, True

    def _look_at_what_it_keeps(self) -> None:
        self.begun = True
        if self.schedule:
            self.schedule.check(self.optimizer)
        if self.saved:
            state_of(self.optimizer, self.program.trained)

    # --- columns and snapshots

    def keep(self, columns: list[int]) -> None:
        """Nothing can leave."""

    def state(self) -> State:
        how = {"begun": self.begun, "closure": self.closure, "graph": self.graph}
        return {**how, "optimizer": state_of(self.optimizer, self.program.trained)}

    def restore(self, state: State) -> None:
        self.begun, self.closure, self.graph = state["begun"], state["closure"], state["graph"]
        restore(self.optimizer, self.program.trained, state["optimizer"])


class Closure:
    """The loss of a batch, computed anew with its gradients each time that a step asks for it.

    It is known already where it is asked for first, and parameters and gradients are as they were.
    """

    def __init__(self, loss: Tensor, parameters: Any, evaluate: Callable[[], Tensor]) -> None:
        self.loss, self.evaluate = loss, evaluate
        self.before: list[Any] | None = [(p, p.detach().clone(), p.grad, _cloned(p.grad)) for p in parameters]

    def __call__(self) -> Tensor:
        is_known = self.before is not None and all(_is_as_before(*one) for one in self.before)
        self.before = None
        return (self.loss if is_known else self.evaluate()).detach()


def _is_as_before(parameter: Tensor, value: Tensor, grad: Tensor | None, values: Tensor | None) -> bool:
    if parameter.grad is not grad or not torch.equal(parameter, value):
        return False
    return grad is None or (values is not None and not grad.is_sparse and torch.equal(grad, values))


def _cloned(grad: Tensor | None) -> Tensor | None:
    return None if grad is None else grad.detach().clone()


def _closure_of(optimizer: Optimizer) -> inspect.Parameter | None:
    """Return the parameter `closure` of an optimizer's step, or None where it has none."""
    return inspect.signature(type(optimizer).step).parameters.get("closure")


def _copy(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {key: _copy(value) for key, value in state.items()}
    return [_copy(value) for value in state] if isinstance(state, list) else state
