"""What an objective returns: a function of parameters with a known minimum, and how its gradients are disturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xprun.plugins.signature import positional_names

if TYPE_CHECKING:
    from torch import Generator, Tensor

NOISE, TIME = "noise", "t"
# Noise and tasks are drawn with seeds of their own, or the first noise would equal the start. Of a seed, torch's
# generator on the CPU takes the last 32 bits.
NOISE_SEEDS, TASK_SEEDS = 2**31, 3 * 2**30
GIVEN = (NOISE, TIME)  # what a function of an objective may ask for beside parameters and constants


@dataclass(frozen=True)
class Objective:
    """A function to be minimised, whose parameters are what is trained.

    `loss(x, ...)` returns a scalar. It is handed parameters and `constants` by their names, and `t`, the steps that are
    over, where it asks for that. `start` holds the parameters at first, which the function that makes the objective may
    draw: torch's default generator is seeded with the run's seed. `minimum` is the least loss, and `minimizer` one
    place where it is. Where `sampled` is given, steps are taken by its gradient: it is handed the same, and `noise`,
    which `noise(generator)` draws anew for each step from the run's own generator, on the CPU. It should be the `loss`
    in expectation. With a `delay` the gradient is that of the parameters so many steps ago. Constants are tensors in
    double precision, which is that of the run when they are handed over.

    Raises ValueError for names that mean two things, and TypeError for a function that asks for something unknown.
    """

    loss: Callable[..., Tensor]
    start: Mapping[str, Tensor]
    minimum: float = 0.0
    minimizer: Mapping[str, list[float]] = field(default_factory=dict)
    sampled: Callable[..., Tensor] | None = None
    noise: Callable[[Generator], Tensor] | None = None
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    delay: int = 0

    def __post_init__(self) -> None:
        for name in self.start:
            if not name.isidentifier() or name in GIVEN or name in self.constants:
                raise ValueError(f"no parameter of an objective can be called {name!r}: it means something else")
        if (self.noise is not None) != (NOISE in positional_names(self.step_loss)):
            raise TypeError("noise is drawn for a function `sampled` that asks for it: give both, or neither")
        for function in (self.loss, self.step_loss):
            known = [*self.start, *self.constants, TIME, *((NOISE,) if function is self.sampled else ())]
            if unknown := [name for name in positional_names(function) if name not in known]:
                raise TypeError(f"a function of an objective asks for {unknown[0]!r}; it may have {', '.join(known)}")

    @property
    def step_loss(self) -> Callable[..., Tensor]:
        """The function by whose gradient steps are taken."""
        return self.sampled or self.loss


def task_generator(seed: int) -> Generator:
    """Return what draws the part of an objective that is the same for all runs, such as a rotation."""
    import torch

    return torch.Generator().manual_seed(TASK_SEEDS + seed)
