"""An objective as a module, which puts out its own loss; imported when one is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.objectives.objective import NOISE, TIME, Objective
from xprun.plugins.signature import positional_names

Sample = Callable[[Generator, int], tuple[Tensor, Tensor]]


class ObjectiveModule(nn.Module):
    """A row of noise [1, ...] -> the loss [1, 1] of the parameters: in training the sampled one, else the exact one.

    The buffer `steps` counts those taken in training, where that matters, and `past_x` [delay, ...] holds what the
    parameter x was before the latest of them, oldest first.
    """

    steps: Tensor

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective, self.names = objective, tuple(objective.start)
        for name, value in objective.start.items():
            self.register_parameter(name, nn.Parameter(torch.as_tensor(value).clone()))
        self.constants = {name: torch.as_tensor(value) for name, value in objective.constants.items()}
        # What either function asks for, read once: reading a signature takes as long as a step's arithmetic.
        self.asked_in_training, self.asked = positional_names(objective.step_loss), positional_names(objective.loss)
        if TIME in {*self.asked_in_training, *self.asked}:
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        for name in self.names if objective.delay else ():
            self.register_buffer(_past(name), torch.stack([getattr(self, name).detach()] * objective.delay))

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move constants along; they are no buffers, of which each run of a stack would have its own."""
        self.constants = {name: fn(value) for name, value in self.constants.items()}
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def forward(self, noise: Tensor) -> Tensor:
        parameters = {name: getattr(self, name) for name in self.names}
        function = self.objective.step_loss if self.training else self.objective.loss
        asked = self.asked_in_training if self.training else self.asked
        if self.training and self.objective.delay:
            parameters = {name: self._delayed(name, value) for name, value in parameters.items()}
        known = {**parameters, **self.constants, NOISE: noise[0]}
        counts = hasattr(self, "steps")
        if counts:
            known[TIME] = self.steps.to(next(iter(parameters.values())).dtype)
        loss = function(*(known[name] for name in asked))
        if self.training and counts:
            self.steps.add_(1)
        return loss.reshape(1, 1)

    def _delayed(self, name: str, now: Tensor) -> Tensor:
        """Return the oldest value of a parameter, with the gradient going to its present one; keep the present one."""
        past: Tensor = getattr(self, _past(name))
        oldest: Tensor = past[0].clone()
        past.copy_(torch.cat([past[1:], now.detach().unsqueeze(0)]))
        return oldest + (now - now.detach())

    def rows(self) -> Table:
        """Return the one row on which an objective is measured; its target is the least loss."""
        noise = self.objective.noise
        # Integers are no feature over which a curve could be drawn.
        inputs = torch.zeros(1, 1, dtype=torch.int64) if noise is None else torch.zeros_like(noise(Generator())[None])
        truth = {name: torch.as_tensor(value).flatten().tolist() for name, value in self.objective.minimizer.items()}
        return Table(inputs, torch.tensor([self.objective.minimum], dtype=torch.float64), truth)

    def sample(self) -> Sample | None:
        """Return what draws the row of a step from a run's own generator; None where every step is the same."""
        draw, minimum = self.objective.noise, torch.tensor([self.objective.minimum], dtype=torch.float64)
        return None if draw is None else lambda generator, rows: (draw(generator)[None], minimum)


def _past(name: str) -> str:
    return f"past_{name}"
