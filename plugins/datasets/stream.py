"""What a data plugin returns when its examples are drawn as they are needed: a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from xprun.plugins.tensor_groups import Tensors

Sample = Callable[["Generator", int], tuple["Tensors", "Tensor"]]


@dataclass(frozen=True)
class Stream:
    """Examples without end: every step of a run sees rows that no step saw before.

    `sample(generator, B)` returns B inputs [B, ...] and targets [B, ...] as a `Table` has them, and draws from nothing
    but the generator (on the CPU), which each run seeds with its own seed. A stream has no end, so that an epoch of
    it is `epoch_steps` steps; measures are taken on as many rows, drawn once for all runs. `truth` holds the true
    parameters by name. A data plugin that returns one says so: `def waves(...) -> Stream`.
    """

    sample: Sample
    epoch_steps: int = 100
    truth: dict[str, list[float]] = field(default_factory=dict)
