"""What a model returns: one tensor, or several, of which a loss and a metric take one by its place or name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from xprun.plugins.registry import Component
from xprun.plugins.tensor_groups import Tensors, tensors_in
from xprun.runner.process.log import words_of

Which = int | str | None  # of a tuple, of a dictionary, or all that there is


@dataclass(frozen=True)
class LossOf:
    """A loss of one of several outputs."""

    loss: Callable[[Any, Tensor], Tensor]
    output: Which

    def __call__(self, outputs: Tensors, targets: Tensor) -> Tensor:
        return self.loss(pick(outputs, self.output), targets)


def pick(outputs: Tensors, which: Which) -> Any:
    """Return one of several outputs, or for None what there is."""
    chosen: Any = outputs
    return outputs if which is None else chosen[which]


def refuse_integers(inputs: Tensors, error: Exception) -> None:
    """Raise ValueError where a model broke, perhaps because its inputs are integers, or because they are too large."""
    integers = [part for part in tensors_in(inputs) if not part.is_floating_point()]
    if not integers:
        return
    why = f"({type(error).__name__}: {words_of(error)[:200]})"
    if isinstance(error, IndexError):
        largest = max(int(part.max()) for part in integers)
        raise ValueError(
            f"the model has no place for a token id of its inputs, which go up to {largest} in the first rows: an "
            f"Embedding needs num_embeddings above the largest {why}"
        ) from error
    kind = str(integers[0].dtype).removeprefix("torch.")
    raise ValueError(
        f"the model does not take these inputs, which are integers ({kind}): an Embedding takes token ids; for numbers "
        f"return inputs.float() from the data set {why}"
    ) from error


def check_form(outputs: Any, rows: int) -> None:
    """Raise ValueError for outputs that are no tensor, and no tuple or dictionary of tensors with so many rows."""
    several = isinstance(outputs, tuple | list | dict)
    for number, part in enumerate(tensors_in(outputs)):
        name = f"output {[*outputs][number] if isinstance(outputs, dict) else number}" if several else "output"
        if not isinstance(part, Tensor):
            raise ValueError(
                f"the {name} of the model is of the type {type(part).__name__}: return a tensor, or a tuple or a "
                "dictionary of tensors"
            )
        if several and (not part.dim() or len(part) != rows):
            raise ValueError(
                f"the {name} of the model has the shape {[*part.shape]} for {rows} rows: the first axis of each output "
                "must be the rows"
            )
    if several and not count_parts(outputs):
        raise ValueError("the model returns nothing")


def check_choice(component: Component, which: Which, outputs: Tensors) -> None:
    """Raise ValueError where a loss or metric takes an output that is not there, or cannot take all that are there."""
    setting = f"{component.kind}.output" if component.kind == "loss" else f"output of the metric {component.name}"
    if isinstance(outputs, Tensor):
        if which is not None:
            raise ValueError(f"the {setting} is {which!r}, but the model returns one tensor: leave it out")
        return
    known: list[int | str] = [*outputs] if isinstance(outputs, dict) else [*range(count_parts(outputs))]
    choices = ", ".join(map(repr, known))
    if which is None and not is_users(component):
        raise ValueError(
            f"the model returns {len(known)} tensors, and {component.name} takes one: set {setting} ({choices})"
        )
    if which is not None and which not in known:
        raise ValueError(f"the model has no output {which!r}; {setting} is one of {choices}")


def count_parts(outputs: Tensors) -> int:
    return len(tensors_in(outputs))


def is_users(component: Component) -> bool:
    """Whether a component is not xprun's or torch's, so that it may well take several tensors."""
    return component.origin.source not in ("built-in", "torch.nn")
