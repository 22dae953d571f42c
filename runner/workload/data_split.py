"""Which rows of a table are trained on, which choose, and which are reported."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from xprun.plugins.blame import blaming
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import Component
from xprun.plugins.tensor_groups import (
    Inputs,
    LazyRows,
    Tensors,
    first_rows,
    map_parts,
    select_rows,
    split_into,
    tensors_in,
    with_parts,
)
from xprun.runner.resolve.data_parts import parts_of
from xprun.runner.results.results_schema import TEST, VALID
from xprun.runner.workload.device_transfer import sent
from xprun.specs.language.folds import FOLD, K_FOLDS

AT_ONCE = 4096  # rows that are read at a time where not all are in memory


@dataclass(frozen=True)
class Split:
    """The rows of a data set, in parts that share none."""

    train: Table
    valid: Table | None = None
    test: Table | None = None

    def map(self, change: Callable[[Table], Table]) -> Split:
        """Return the split with each part changed."""
        held_out = [change(part) if part else None for part in (self.valid, self.test)]
        return Split(change(self.train), *held_out)

    def moved(self, device: torch.device, dtype: torch.dtype) -> Split:
        """Return the split on a device, its real numbers in a precision."""
        return self.map(lambda table: _moved(table, device, dtype))


def check_parts(data: Component, settings: dict[str, Any], made: Table | Stream) -> None:
    """Raise ValueError where a data set brings rows that nobody expects, or lacks those that it says it brings."""
    brought = {part for part in (VALID, TEST) if getattr(made, part, None)}
    named = {part for part in (VALID, TEST) if isinstance(settings.get(part), str)}
    promised = {*data.parts, *(named & parts_of(settings))}
    allowed = promised | (parts_of(settings) & data.settings.keys())
    for part in sorted(promised - brought):
        raise ValueError(f"{data.name} promises {part} rows, but its Table has none: return Table(..., {part}=...)")
    for part in sorted(brought - allowed):
        what = f"the Table of {data.name} has {part} rows, which its component does not declare"
        raise ValueError(f'{what}: write @data("{data.name}", parts=("{part}",))')


def split_rows(table: Table, settings: dict[str, Any]) -> Split:
    """Return the parts of a table: those that it keeps apart itself, and shares of its rows that the settings ask for.

    `split_seed` picks the shares, or the folds of which one is held out; each part keeps the order of its rows.
    """
    folds = settings.get(K_FOLDS)  # a run that was saved before there were some has no such setting
    if folds and table.valid:
        raise ValueError(f"the data set brings its own validation rows, which would be no fold: leave {K_FOLDS} out")
    shares = {part: _share(table, part, settings) for part in (VALID, TEST)}
    own = replace(table, valid=None, test=None)
    if not folds and not any(shares.values()):
        return _standardise_if(settings, filled_in(Split(own, table.valid, table.test)))
    valid, test = shares[VALID], shares[TEST]
    if valid + test >= len(table):
        written = " and ".join(f"{part} = {settings[part]}" for part, rows in shares.items() if rows)
        verb = "hold" if valid and test else "holds"
        raise ValueError(f"{written} {verb} out all {len(table)} rows; nothing is left to train on")
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(settings["split_seed"]))
    drawn = _folded(order[test:], folds, settings[FOLD]) if folds else (order[valid + test :], order[:valid])
    train, *held = (rows.sort().values for rows in (*drawn, order[valid : valid + test]))
    plain = replace(own, augmentation=None)
    held_out = [_rows(plain, rows) if len(rows) else None for rows in held]
    found = Split(_rows(own, train), held_out[0] or table.valid, held_out[1] or table.test)
    return _standardise_if(settings, filled_in(found))


def filled_in(split: Split) -> Split:
    """Return all parts with NaN among their inputs [N, k] filled in as the table says, from the training rows alone.

    Raises ValueError for a column of which these have no value.
    """
    how = split.train.missing
    if how is None:
        return split
    values = _fillers(split.train.one_tensor, how)

    def filled(table: Table) -> Table:
        return replace(table, inputs=torch.where(table.one_tensor.isnan(), values, table.one_tensor), missing=None)

    return split.map(filled)


def _fillers(rows: Tensor, how: str) -> Tensor:
    """Return what to fill in for each column of rows [N, k], of those that are known; the least of equally frequent."""
    columns = [column[~column.isnan()] for column in rows.T]
    if empty := [str(number) for number, known in enumerate(columns, 1) if not len(known)]:
        raise ValueError(f"nothing is known of column {', '.join(empty)} of the inputs in the training rows")
    if how == "mean":
        return torch.stack([known.mean() for known in columns])
    if how == "median":
        return torch.stack([known.quantile(0.5) for known in columns])
    counted = [known.unique(return_counts=True) for known in columns]
    return torch.stack([values[counts.argmax()] for values, counts in counted])


def _folded(order: Tensor, folds: int, fold: int) -> tuple[Tensor, Tensor]:
    """Return the rows to train on and those of a fold, of rows in random order; the sizes of folds differ by one."""
    if folds > len(order):
        raise ValueError(f"{K_FOLDS} = {folds} takes at least as many rows, but there are {len(order)}")
    number = torch.arange(len(order)) % folds
    return order[number != fold], order[number == fold]


def _share(table: Table, part: str, settings: dict[str, Any]) -> int:
    """Return how many of the rows of a table are drawn for a part."""
    asked: float | str = settings.get(
        part, 0.0
    )  # a run that was saved before there was a test part has no such setting
    if getattr(table, part) or isinstance(asked, str):
        return 0
    rows = math.floor(len(table) * asked + 0.5)
    if asked and not rows:
        with blaming("data", f"{part} = {asked:g}", part):
            raise ValueError(f"it holds out none of {len(table)} rows; hold out more, or leave {part} out")
    return rows


def _rows(table: Table, rows: Tensor) -> Table:
    inputs = select_rows(table.inputs, rows)
    part = replace(table, inputs=inputs, targets=table.targets.index_select(0, rows))
    if table.augmentation is None:
        return part
    return replace(part, augmentation=replace(table.augmentation, rows=table.augmentation.rows.index_select(0, rows)))


def _standardise_if(settings: dict[str, Any], split: Split) -> Split:
    return _standardised(split) if settings["standardise"] else split


def _standardised(split: Split) -> Split:
    """Return all parts with every input shifted and scaled as the training rows say; a constant one is only shifted.

    True parameters are dropped: they belong to the inputs as they were.
    """
    train = split.train
    if train.augmentation:
        raise ValueError("standardise cannot be combined with random transforms; use the transform Normalize")
    some = tensors_in(first_rows(train.inputs, 1))
    if not any(part.is_floating_point() for part in some):
        raise ValueError("standardise scales real numbers, but these inputs are integers: leave it out")
    changes = [_scaling(train.inputs, number) for number in range(len(some))]

    def standardised(inputs: Tensors) -> Tensors:
        return with_parts(inputs, [change(part) for change, part in zip(changes, tensors_in(inputs), strict=True)])

    return split.map(lambda table: _kept(table, changed(table.inputs, standardised)))


def _kept(table: Table, inputs: Inputs) -> Table:
    """Return a table with other inputs, of which only the targets and their classes tell the same as before."""
    return Table(inputs, table.targets, class_names=table.class_names)


def changed(inputs: Inputs, change: Callable[[Tensors], Tensors]) -> Inputs:
    """Return inputs after a change, which those that are not read yet go through later."""
    return inputs.changed(change) if isinstance(inputs, LazyRows) else change(inputs)


def _scaling(inputs: Inputs, number: int) -> Callable[[Tensor], Tensor]:
    """Return what shifts and scales one of the inputs as these rows say; integers name things and stay."""
    like = tensors_in(first_rows(inputs, 1))[number]
    if not like.is_floating_point():
        return lambda part: part
    mean, deviation = mean_and_deviation(inputs, number)
    shift, scale = mean.to(like), torch.where(deviation > 0, deviation, 1.0).to(like)
    return lambda part: (part - shift) / scale


def mean_and_deviation(inputs: Inputs, number: int) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation over the rows, in double precision."""
    if not isinstance(inputs, LazyRows):
        wide = tensors_in(inputs)[number].double()
        return wide.mean(0), wide.std(0, correction=0)
    mean = _mean(inputs, number, lambda part: part)
    return mean, _mean(inputs, number, lambda part: (part - mean).square()).sqrt()


def _mean(inputs: LazyRows, number: int, of: Callable[[Tensor], Tensor]) -> Tensor:
    total = sum(of(tensors_in(rows)[number].double()).sum(0) for rows in split_into(inputs, AT_ONCE))
    return torch.as_tensor(total / len(inputs))


def moved(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a tensor on a device, real numbers in a precision; integers, such as token ids, stay what they are."""
    return sent(tensor, device, dtype if tensor.is_floating_point() else None)


def _moved(table: Table, device: torch.device, dtype: torch.dtype) -> Table:
    def on_device(inputs: Tensors) -> Tensors:
        return map_parts(lambda part: moved(part, device, dtype), inputs)

    return replace(table, inputs=changed(table.inputs, on_device), targets=moved(table.targets, device, dtype))
