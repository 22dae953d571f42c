"""What a data plugin returns when its examples are all there: a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xprun.plugins.tensor_groups import LazyRows

if TYPE_CHECKING:
    from torch import Tensor
    from xprun.plugins.tensor_groups import Inputs


@dataclass(frozen=True)
class Augmentation:
    """What changes the rows of a table at random, anew each time that one is seen.

    `rows` [N, ...] are what it starts from; each of the `steps` turns one row [...] into another, and may draw from
    torch's default generator. `workers` processes do it ahead of the training.
    """

    rows: Tensor
    steps: tuple[Callable[[Tensor], Tensor], ...]
    workers: int = 0


@dataclass(frozen=True)
class Table:
    """N examples, resident in memory.

    `inputs` [N, ...]: floats, which are trained on in `run.dtype`, or integers (token ids), which stay as they are. A
    tuple of such tensors holds the positional arguments of a model's `forward`, a dictionary those by name. `targets`
    [N, k] floats for a regression, [N] int64 for classes, [N, L] for a class at each of L places. `truth` holds the
    true parameters of a synthetic set by name. `valid` and `test` hold the rows that the set itself keeps apart, to
    choose by and to report; its component declares them: `@data("name", parts=("valid", "test"))`. With an
    `augmentation` the rows are trained on as it changes them; `inputs` are measured. `image` is the shape [C, H, W] in
    which a row, flat or not, is an image of 1 or 3 channels, so that a report can show it. `class_names` are those of
    the classes from 0 on. NaN among the inputs stands for what is `missing`: it is filled in with that of the training
    rows.
    """

    inputs: Inputs
    targets: Tensor
    truth: dict[str, list[float]] = field(default_factory=dict)
    valid: Table | None = None
    augmentation: Augmentation | None = None
    image: tuple[int, int, int] | None = None
    test: Table | None = None
    class_names: tuple[str, ...] = ()
    missing: Literal["mean", "median", "most_frequent"] | None = None

    @property
    def one_tensor(self) -> Tensor:
        """The inputs of a table that has one tensor of them, in memory."""
        assert not isinstance(self.inputs, tuple | list | dict | LazyRows)
        return self.inputs

    def __len__(self) -> int:
        return len(self.targets)


def class_names_of(dataset: Any) -> tuple[str, ...]:
    """Return the names in the `classes` of a set, as those of torchvision have; of a class with several, the first."""
    names = getattr(dataset, "classes", ())
    if not isinstance(names, tuple | list):
        return ()
    return tuple(str(name[0]) if isinstance(name, tuple | list) and name else str(name) for name in names)
