"""What models take and return: a tensor, or a tuple or a dictionary of tensors; the first axis of each is the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
else:
    Tensors = Any  # torch is not imported to name it


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


def count_rows(group: Tensors) -> int:
    return len(tensors_in(group)[0])


def first_rows(group: Tensors, rows: int) -> Tensors:
    """Return the first so many rows."""
    return map_parts(lambda part: part[:rows], group)


def split_into(group: Tensors, rows: int) -> Iterator[Tensors]:
    """Yield a group cut into pieces of so many rows; the last one may have fewer."""
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
