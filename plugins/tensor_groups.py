"""What models take and return: a tensor, or a tuple or a dictionary of tensors; the first axis of each is the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    Tensors: TypeAlias = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
    Inputs: TypeAlias = "Tensors | LazyRows"
else:
    Tensors = Inputs = Any  # torch is not imported to name it


class LazyRows:
    """Inputs that are read when they are asked for: too large to be copied, or other ones each time."""

    def __len__(self) -> int:
        raise NotImplementedError

    def read(self, rows: Tensor) -> Tensors:
        """Return the inputs of the rows with these numbers [n]."""
        raise NotImplementedError

    def select(self, rows: Tensor) -> LazyRows:
        """Return these rows, in this order."""
        raise NotImplementedError

    def changed(self, change: Callable[[Tensors], Tensors]) -> LazyRows:
        """Return the rows that are changed when they have been read."""
        raise NotImplementedError


def tensors_in(group: Tensors) -> tuple[Tensor, ...]:
    """Return the tensors of a group, in their order."""
    if isinstance(group, dict):
        return tuple(group.values())
    return tuple(group) if isinstance(group, tuple | list) else (group,)


def with_parts(like: Tensors, parts: Sequence[Tensor]) -> Tensors:
    """Return a group of the same form that holds other tensors."""
    if isinstance(like, dict):
        return dict(zip(like, parts, strict=True))
    if isinstance(like, tuple | list):
        return tuple(parts)
    [part] = parts
    return part


def map_parts(change: Callable[[Tensor], Tensor], group: Tensors) -> Tensors:
    """Return a group with each tensor changed."""
    return with_parts(group, [change(part) for part in tensors_in(group)])


def count_rows(inputs: Inputs) -> int:
    return len(inputs) if isinstance(inputs, LazyRows) else len(tensors_in(inputs)[0])


def bytes_of(inputs: Inputs) -> int:
    """Return the bytes that inputs take in memory."""
    return 0 if isinstance(inputs, LazyRows) else sum(part.nbytes for part in tensors_in(inputs))


def first_rows(inputs: Inputs, rows: int) -> Tensors:
    """Return the first so many rows."""
    if isinstance(inputs, LazyRows):
        return inputs.read(_numbers(0, min(rows, len(inputs))))
    return map_parts(lambda part: part[:rows], inputs)


def take_rows(inputs: Inputs, rows: Tensor) -> Tensors:
    """Return the rows with these numbers."""
    if isinstance(inputs, LazyRows):
        return inputs.read(rows)
    return map_parts(lambda part: part.index_select(0, rows), inputs)


def select_rows(inputs: Inputs, rows: Tensor) -> Inputs:
    """Return the rows with these numbers, which are not read if they need not be."""
    return inputs.select(rows) if isinstance(inputs, LazyRows) else take_rows(inputs, rows)


def split_into(group: Inputs, rows: int) -> Iterator[Tensors]:
    """Yield inputs, or outputs, cut into pieces of so many rows; the last one may have fewer."""
    if isinstance(group, LazyRows):
        for start in range(0, len(group), rows):
            yield group.read(_numbers(start, min(start + rows, len(group))))
        return
    for parts in zip(*(part.split(rows) for part in tensors_in(group)), strict=True):
        yield with_parts(group, parts)


def concatenate(groups: Sequence[Tensors], axis: int = 0) -> Tensors:
    """Return groups of one form, one behind the other along an axis."""
    import torch

    if len(groups) == 1:
        return groups[0]
    return with_parts(groups[0], [torch.cat(parts, axis) for parts in zip(*map(tensors_in, groups), strict=True)])


def arguments_of(inputs: Tensors) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return how a model is called: a tuple holds its positional arguments, a dictionary those by name."""
    if isinstance(inputs, dict):
        return (), inputs
    return (tuple(inputs), {}) if isinstance(inputs, tuple | list) else ((inputs,), {})


def call(module: Callable[..., Any], inputs: Tensors) -> Any:
    """Return what a model gives for inputs; see `arguments_of`."""
    args, kwargs = arguments_of(inputs)
    return module(*args, **kwargs)


def _numbers(start: int, stop: int) -> Tensor:
    import torch

    return torch.arange(start, stop)
