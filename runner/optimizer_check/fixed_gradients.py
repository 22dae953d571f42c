"""An optimizer on a walk over gradients that are the same every time: where its parameters are after each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import makes_optimizer
from xprun.runner.engine.module_families import ParameterRule
from xprun.runner.engine.optimizer_families import Family, Part, stack_settings
from xprun.runner.engine.optimizer_objects import TorchOptimizer, maker
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.resolve.build import own_settings
from xprun.runner.store.snapshots import State
from xprun.runner.workload.workload import named_views

STEPS = 20
SHAPES = {"0.weight": torch.Size((3, 4)), "1.bias": torch.Size((5,))}

Parameters = dict[str, Tensor]
Gradients = list[Parameters]  # one for each step
Path = list[Tensor]  # all parameters as one vector [P], after each step
Settings = dict[str, Any]


class Walker:
    """An optimizer with its settings: those that are given and that it has, defaults or examples for the others.

    `rule` is None for a class in the style of torch.optim, or a function that makes one. `asks_for_losses` tells, once
    a path is taken, whether a step asks for the loss, too, which is the same everywhere in a walk. Raises TypeError for
    a function that is no rule.
    """

    def __init__(self, registry: Registry, component: Component, settings: Settings) -> None:
        self.registry, self.component, self.name = registry, component, component.name
        examples = {name: s.example if s.required else s.typed_default for name, s in component.settings.items()}
        self.settings = examples | {name: value for name, value in settings.items() if name in examples}
        self.thing = component.load()
        self.rule = None if makes_optimizer(self.thing) else read_rule(self.thing)
        self.asks_for_losses = False

    def live(self, settings: Settings) -> Settings:
        """Return the settings as the optimizer takes them."""
        return own_settings(self.registry, self.component, settings)

    def path(self, gradients: Gradients, settings: Settings | None = None) -> Path:
        """Return where the parameters are after each step, alone."""
        walk = _Walk(start(gradients[0]))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            family = self._family(walk, self.live(settings or self.settings))
            family.train(True)
            path = []
            with torch.set_grad_enabled(family.builds_graphs):
                for t, gradient in enumerate(gradients, 1):
                    family.step(gradient, t)
                    path.append(flat(walk.parameters))
        self.asks_for_losses = isinstance(family, TorchOptimizer) and family.closure
        return path

    def _family(self, walk: _Walk, settings: Settings) -> ParameterRule | TorchOptimizer:
        """Return what takes the steps of a walk with these settings."""
        if self.rule:
            return ParameterRule(self.rule, walk, [Part(settings)], [0] * len(walk.trained), STEPS)
        walk.module.requires_grad_()
        return TorchOptimizer(maker(self.thing, walk, settings), walk)

    def paths_together(self, gradients: Gradients, columns: list[Settings]) -> list[Path]:
        """Return a path for each of several settings, taken as one family of stacked runs; the optimizer is a rule."""
        assert self.rule
        live = [self.live(settings) for settings in columns]
        parameters = flat(start(gradients[0])).repeat(1, len(columns), 1)
        states = tuple(torch.zeros_like(parameters) for _ in self.rule.states)
        family = Family(self.rule, 0, len(columns), stack_settings(live, parameters), states, steps=STEPS)
        steps = list(_family_steps(family, parameters, gradients))
        return [[step[k] for step in steps] for k in range(len(columns))]


class _Walk:
    """The program of a walk: its losses are 1, and its gradients those that are given as the batch.

    Where gradients are to be differentiable, their derivative is 1: the loss is curved alike in all directions.
    """

    def __init__(self, parameters: Parameters) -> None:
        first, last = nn.Linear(4, 3, bias=False), nn.Linear(1, 5)
        last.register_parameter("weight", None)
        first.weight, last.bias = (nn.Parameter(values, requires_grad=False) for values in parameters.values())
        self.module = nn.Sequential(first, last)  # two layers, for optimizers that tell them apart
        self.parameters: Parameters = {**dict(self.module.named_parameters())}
        self.names, self.trained = list(self.parameters), list(self.parameters.values())

    def gradients(self, batch: Parameters) -> tuple[Tensor, list[Tensor]]:
        return self._loss, [batch[name] for name in self.parameters]

    @property
    def _loss(self) -> Tensor:
        return self.trained[0].new_ones(())

    def backward(self, batch: Parameters, *, create_graph: bool = False) -> Tensor:
        for name, parameter in self.parameters.items():
            parameter.grad = batch[name] + (parameter - parameter.detach()) if create_graph else batch[name]
        return self._loss

    def rows_in(self, batch: Parameters) -> int:
        return 1

    def state(self) -> State:
        return {"parameters": [p.detach() for p in self.trained], "random": torch.get_rng_state()}

    def restore(self, state: State) -> None:
        for parameter, values in zip(self.trained, state["parameters"], strict=True):
            parameter.detach().copy_(values)
        torch.set_rng_state(state["random"])


def fixed_gradients(scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Gradients:
    """Return the gradients of all steps, normal with that standard deviation, the same in every call."""
    generator = torch.Generator().manual_seed(0)
    steps = [
        {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in SHAPES.items()} for _ in range(STEPS)
    ]
    return [{name: (scale * gradient).to(dtype) for name, gradient in step.items()} for step in steps]


def start(like: Parameters) -> Parameters:
    """Return parameters from -1 to 1, of the gradients' shapes and type."""
    return {name: torch.linspace(-1, 1, g.numel(), dtype=g.dtype).view_as(g).clone() for name, g in like.items()}


def flat(parameters: Parameters) -> Tensor:
    """Return all parameters as one vector [P]."""
    return torch.cat([p.detach().reshape(-1) for p in parameters.values()])


def _family_steps(family: Family, parameters: Tensor, gradients: Gradients) -> Iterator[Tensor]:
    """Yield the parameters [K, P] of a family's columns after each step."""
    for t, gradient in enumerate(gradients, 1):
        columns = parameters.shape[1]
        losses, gradients_now = parameters.new_ones(1, columns), flat(gradient).repeat(1, columns, 1)
        parameters = family.update(parameters, gradients_now, t, 1, _views, losses)
        yield parameters[0]


def _views(flat: Tensor) -> Parameters:
    """Return [..., P] as named views [..., *shape]."""
    return named_views(flat, SHAPES)
