"""An optimizer on a walk over gradients that are the same every time: where its parameters are after each step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from xprun.plugins.registry import Component, Registry
from xprun.runner.engine.lone_updates import set_mode
from xprun.runner.engine.optimizer_families import Family
from xprun.runner.engine.update_rules import Rule, read_rule
from xprun.runner.resolve.build import own_settings

STEPS = 20
SHAPES = {"weight": (3, 4), "bias": (5,)}

Parameters = dict[str, Tensor]
Gradients = list[Parameters]  # one for each step
Path = list[Tensor]  # all parameters as one vector [P], after each step
Settings = dict[str, Any]


class Walker:
    """An optimizer with its settings: those that are given and that it has, defaults or examples for the others.

    `rule` is None for a class in the style of torch.optim. Raises TypeError for a function that is no rule.
    """

    def __init__(self, registry: Registry, component: Component, settings: Settings) -> None:
        self.registry, self.component, self.name = registry, component, component.name
        examples = {name: s.example if s.required else s.typed_default for name, s in component.settings.items()}
        self.settings = examples | {name: value for name, value in settings.items() if name in examples}
        self.thing = component.load()
        self.rule = None if isinstance(self.thing, type) else read_rule(self.thing)

    @property
    def asks_for_losses(self) -> bool:
        """Whether a step depends on the loss as well, which a walk does not have."""
        if self.rule:
            return False
        closure = inspect.signature(self.thing.step).parameters.get("closure")
        return closure is not None and closure.default is closure.empty

    def live(self, settings: Settings) -> Settings:
        """Return the settings as the optimizer takes them."""
        return own_settings(self.registry, self.component, settings)

    def path(self, gradients: Gradients, settings: Settings | None = None) -> Path:
        """Return where the parameters are after each step, alone."""
        parameters, live = start(gradients[0]), self.live(settings or self.settings)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            step = _rule_step(self.rule, parameters, live) if self.rule else _class_step(self.thing, parameters, live)
            path = []
            for t, gradient in enumerate(gradients, 1):
                step(t, gradient)
                path.append(flat(parameters))
        return path

    def paths_together(self, gradients: Gradients, columns: list[Settings]) -> list[Path]:
        """Return a path for each of several settings, taken as one family of stacked runs; the optimizer is a rule."""
        assert self.rule
        live = [self.live(settings) for settings in columns]
        parameters = flat(start(gradients[0])).repeat(1, len(columns), 1)
        states = tuple(torch.zeros_like(parameters) for _ in self.rule.states)
        settings = {name: _stacked([one[name] for one in live]) for name in live[0]}
        family = Family(self.rule, 0, len(columns), settings, states)
        steps = list(_family_steps(family, parameters, gradients))
        return [[step[k] for step in steps] for k in range(len(columns))]


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


def _rule_step(rule: Rule, parameters: Parameters, settings: Settings) -> Callable[[int, Parameters], None]:
    """Return a function that takes a step: it changes `parameters`."""
    states = {name: tuple(torch.zeros_like(p) for _ in rule.states) for name, p in parameters.items()}

    def step(t: int, gradient: Parameters) -> None:
        for name, g in gradient.items():
            parameters[name], states[name] = rule.update(parameters[name], g, states[name], t, 1, settings)

    return step


def _class_step(cls: Any, parameters: Parameters, settings: Settings) -> Callable[[int, Parameters], None]:
    optimizer = cls(list(parameters.values()), **settings)
    set_mode(optimizer, training=True)

    def step(t: int, gradient: Parameters) -> None:
        for name, g in gradient.items():
            parameters[name].grad = g
        optimizer.step(lambda: torch.ones(()))  # a loss for those that evaluate it several times in a step

    return step


def _family_steps(family: Family, parameters: Tensor, gradients: Gradients) -> Iterator[Tensor]:
    """Yield the parameters [K, P] of a family's columns after each step."""
    for t, gradient in enumerate(gradients, 1):
        parameters = family.update(parameters, flat(gradient).repeat(1, parameters.shape[1], 1), t, 1, _views)
        yield parameters[0]


def _stacked(values: list[Any]) -> Any:
    """Return one value where all columns agree, or a tensor [K] of numbers."""
    if isinstance(values[0], tuple):
        return tuple(_stacked(list(parts)) for parts in zip(*values, strict=True))
    if isinstance(values[0], float) and len(set(values)) > 1:
        return torch.tensor(values, dtype=torch.float64)
    return values[0]


def _views(flat: Tensor) -> Parameters:
    """Return [..., P] as named views [..., *shape]."""
    sizes = [torch.Size(shape).numel() for shape in SHAPES.values()]
    parts = zip(SHAPES.items(), flat.split(sizes, dim=-1), strict=True)
    return {name: part.view(*flat.shape[:-1], *shape) for (name, shape), part in parts}
