"""What every data plugin returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Table:
    """N examples, resident in memory.

    `inputs` [N, ...] floats; `targets` [N, k] floats for a regression, [N] int64 for classes. `truth` holds the
    true parameters of a synthetic set by name.
    """

    inputs: Tensor
    targets: Tensor
    truth: dict[str, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)
