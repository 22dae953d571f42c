"""Update rules that move the parameters of one module: each parameter by itself, or all as one vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from xprun.runner.engine.optimizer_families import Part
from xprun.runner.engine.update_rules import Rule, own_memory
from xprun.runner.store.snapshots import State

States = tuple[Tensor, ...]


class ModuleProgram(Protocol):
    """What these families ask of a program: the backward pass of one module, whose parameters are `trained`."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def names(self) -> Sequence[str]:
        """The names of the parameters that are trained."""

    @property
    def trained(self) -> Sequence[Tensor]:
        """The parameters that are trained."""

    def gradients(self, batch: Any) -> tuple[Tensor, Sequence[Tensor | None]]:
        """Return the loss of a batch and the gradients of the `trained` parameters, None where one takes no part."""

    def backward(self, batch: Any, *, create_graph: bool = False) -> Tensor:
        """Return the loss of a batch; add its gradient to the `grad` of each parameter that has a part in it."""

    def rows_in(self, batch: Any) -> int:
        """Return how many rows a batch has."""

    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class StepSettings:
    """The settings of each part of a run's parameters at the step at hand."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self._now = [part.settings for part in parts]
        self._known = not any(part.schedule for part in parts)
        self._changes = not self._known

    def at(self, t: int) -> list[dict[str, Any]]:
        """Return the settings of step t, in the order of the parts."""
        if self._changes and (not self._known or any(part.changes_at(t) for part in self.parts)):
            self._now, self._known = [part.at(t) for part in self.parts], True
        return self._now


class ParameterRule:
    """An update rule that is given each parameter by itself.

    A parameter that has no part in the loss of a step is left as it is, and that step is none of its own, as in
    torch.optim. `members` [n] are the numbers of the parts that the trained parameters are in; `steps` those in all.
    """

    builds_graphs = False

    def __init__(
        self, rule: Rule, program: ModuleProgram, parts: Sequence[Part], members: Sequence[int], steps: int
    ) -> None:
        self.rule, self.program, self.members, self.steps = rule, program, members, steps
        self.settings = StepSettings(parts)
        self.states: list[States] = [tuple(torch.zeros_like(w) for _ in rule.states) for w in program.trained]
        self.left_out = [0] * len(self.states)  # steps, by parameter

    def train(self, mode: bool) -> None:
        """Do nothing: a rule has no modes."""

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        return read()

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its loss."""
        loss, gradients = self.program.gradients(batch)
        self.move(loss, gradients, t, self.program.rows_in(batch))
        return loss

    def move(self, loss: Tensor, gradients: Sequence[Tensor | None], t: int, rows: int) -> None:
        """Change the parameters by their gradients."""
        settings, names = self.settings.at(t), self.program.names
        for i, (w, g) in enumerate(zip(self.program.trained, gradients, strict=True)):
            if g is None:
                self.left_out[i] += 1
                continue
            own, others = settings[self.members[i]], {"T": self.steps, "loss": loss, "name": names[i]}
            new, states = self.rule.update(w, g, self.states[i], t - self.left_out[i], rows, own, **others)
            self.states[i] = own_memory(states, w)
            w.copy_(new)

    def keep(self, columns: list[int]) -> None:
        """Nothing can leave."""

    def state(self) -> State:
        return {"states": [list(states) for states in self.states], "left_out": list(self.left_out)}

    def restore(self, state: State) -> None:
        pairs = zip(self.program.trained, state["states"], strict=True)
        self.states = [tuple(tensor.to(w.device) for tensor in states) for w, states in pairs]
        self.left_out = list(state["left_out"])


class VectorProgram(ModuleProgram, Protocol):
    """A program whose trained parameters and their gradients are laid out as one vector each."""

    weights: Tensor  # [P]
    gradient: Tensor


class VectorRule:
    """An elementwise update rule on all parameters as one vector, which is fastest: one call for each part.

    From the first step on that leaves a parameter out, each is moved by itself.
    """

    builds_graphs = False

    def __init__(
        self, rule: Rule, program: VectorProgram, parts: Sequence[Part], members: Sequence[int], steps: int
    ) -> None:
        self.rule, self.program, self.parts, self.members, self.steps = rule, program, parts, members, steps
        self.settings = StepSettings(parts)
        sizes = [0] * len(parts)
        for parameter, part in zip(program.trained, members, strict=True):
            sizes[part] += parameter.numel()
        self._pieces = list(zip(program.weights.split(sizes), program.gradient.split(sizes), strict=True))
        self.states: list[States] = [tuple(torch.zeros_like(w) for _ in rule.states) for w, _ in self._pieces]
        self.one_by_one: ParameterRule | None = None

    def train(self, mode: bool) -> None:
        """Do nothing: a rule has no modes."""

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        return read()

    def step(self, batch: Any, t: int) -> Tensor:
        """Take the step t with a batch and return its loss."""
        loss, gradients = self.program.gradients(batch)
        rows, used = self.program.rows_in(batch), [g for g in gradients if g is not None]
        if self.one_by_one is None and len(used) < len(gradients):
            self.one_by_one = self._by_parameter()
        if self.one_by_one:
            self.one_by_one.move(loss, gradients, t, rows)
        else:
            torch.cat([g.reshape(-1) for g in used], out=self.program.gradient)
            self._move(loss, t, rows)
        return loss

    def _move(self, loss: Tensor, t: int, rows: int) -> None:
        for i, ((w, g), settings) in enumerate(zip(self._pieces, self.settings.at(t), strict=True)):
            new, states = self.rule.update(w, g, self.states[i], t, rows, settings, T=self.steps, loss=loss)
            self.states[i] = own_memory(states, w, g)
            w.copy_(new)

    def _by_parameter(self) -> ParameterRule:
        """Return the rule on each parameter, with the states that it has."""
        found = ParameterRule(self.rule, self.program, self.parts, self.members, self.steps)
        offsets = [0] * len(self.parts)
        for i, (parameter, part) in enumerate(zip(self.program.trained, self.members, strict=True)):
            start, offsets[part] = offsets[part], offsets[part] + parameter.numel()
            own = (state[start : offsets[part]] for state in self.states[part])
            found.states[i] = tuple(state.view_as(parameter) for state in own)
        return found

    def keep(self, columns: list[int]) -> None:
        """Nothing can leave."""

    def state(self) -> State:
        if self.one_by_one:
            return {"one_by_one": self.one_by_one.state()}
        return {"vectors": [list(states) for states in self.states]}

    def restore(self, state: State) -> None:
        if "one_by_one" in state:
            self.one_by_one = self._by_parameter()
            self.one_by_one.restore(state["one_by_one"])
            return
        pairs = zip(self._pieces, state["vectors"], strict=True)
        self.states = [tuple(tensor.to(w.device) for tensor in states) for (w, _), states in pairs]
