"""Rows of tensors that are too large to be copied: they are gathered from where they are, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from xprun.plugins.datasets.table import Table
from xprun.plugins.tensor_groups import LazyRows, Tensors, bytes_of, take_rows

LARGE = 2**28  # bytes of inputs above which parts, precisions and programs get no copies of their own

Change = Callable[[Tensors], Tensors]


class NumberedRows(LazyRows):
    """Some rows of a whole, by their numbers [n] in it, after the changes that those read go through; a dataclass."""

    numbers: Tensor
    changes: tuple[Change, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def after_changes(self, inputs: Tensors) -> Tensors:
        for change in self.changes:
            inputs = change(inputs)
        return inputs

    def select(self, rows: Tensor) -> Self:
        return replace(self, numbers=self.numbers[rows.to(self.numbers.device)])  # type: ignore[type-var]

    def changed(self, change: Change) -> Self:
        return replace(self, changes=(*self.changes, change))  # type: ignore[type-var]


@dataclass(frozen=True)
class StoredRows(NumberedRows):
    """Some rows, by their numbers [n] in what is stored, after the changes that those read go through."""

    stored: Tensors
    numbers: Tensor
    changes: tuple[Change, ...] = ()

    def read(self, rows: Tensor) -> Tensors:
        return self.after_changes(take_rows(self.stored, self.numbers[rows.to(self.numbers.device)]))


def left_in_place(table: Table) -> Table:
    """Return a table, and its parts, whose inputs are left where they are if they are large: perhaps in a file."""
    valid, test = (left_in_place(part) if part else None for part in (table.valid, table.test))
    inputs = table.inputs
    if not isinstance(inputs, LazyRows) and table.augmentation is None and bytes_of(inputs) > LARGE:
        inputs = StoredRows(inputs, torch.arange(len(table)))
    return replace(table, inputs=inputs, valid=valid, test=test)
