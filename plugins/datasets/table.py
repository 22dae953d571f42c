"""What a data plugin returns when its examples are all there: a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Table:
    """N examples, resident in memory.

    `inputs` [N, ...] floats; `targets` [N, k] floats for a regression, [N] int64 for classes. `truth` holds the
    true parameters of a synthetic set by name. `valid` holds the rows that the set itself keeps apart.
    """

    inputs: Tensor
    targets: Tensor
    truth: dict[str, list[float]] = field(default_factory=dict)
    valid: Table | None = None

    def __len__(self) -> int:
        return len(self.inputs)
