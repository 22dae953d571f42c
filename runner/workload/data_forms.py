"""What a data set may return, brought to the one form that the rest works with."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.tensor_groups import LazyRows, tensors_in
from xprun.runner.workload.dataset_rows import is_dataset, table_of


def as_table(name: str, made: Any, batch_size: int | None) -> Table | Stream:
    """Return what a data set has made as a table, or as the stream that it is.

    Raises TypeError or ValueError where it is something else.
    """
    if isinstance(made, Stream):
        return made
    if is_dataset(made):
        made = table_of(name, made, batch_size)
    if not isinstance(made, Table):
        help_text = "return Table(inputs, targets), both tensors with a row for each example, or a map-style Dataset"
        raise TypeError(f"the data set {name} returned a {type(made).__name__}: {help_text}")
    for part in (made, made.valid, made.test):
        if part:
            _check_rows(name, part)
    return made


def _check_rows(name: str, table: Table) -> None:
    inputs = () if isinstance(table.inputs, LazyRows) else tensors_in(table.inputs)
    tensors = (*inputs, table.targets)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            what = f"the Table of {name} holds a {type(tensor).__name__}"
            raise TypeError(f"{what}: inputs are a tensor, or a tuple or dictionary of tensors; targets are a tensor")
    rows = sorted({len(tensor) if tensor.dim() else 0 for tensor in tensors})
    if len(rows) > 1:
        found = " and ".join(map(str, rows))
        raise ValueError(f"inputs and targets of the Table of {name} differ in their rows: {found}")
