"""What a backend is given, one run as plain values and numpy arrays, and what it gives back: a trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xprun.plugins.rule_calls import RuleCall

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]


@dataclass(frozen=True)
class LinearLayer:
    """A Linear layer, x W^T + b, and the activation after it.

    `weight` names a parameter [outputs, inputs], or [inputs] where there is one output; `bias` one [outputs], if there
    is any. `activation` is the name of a class of `torch.nn` with its default settings; none after the last layer.
    """

    weight: str
    bias: str | None
    activation: str = ""


@dataclass(frozen=True)
class Task:
    """One run as a backend trains it.

    `layers` are the model, and `parameters` what it starts with, by name. `loss` is the name of one, `reduction` says
    whether it is the mean or the sum over the batch, and `gradient` whether the framework derives it, or a formula does
    that the backend brings for such a model. The optimizer is a `rule` or, where that is None, the framework's own
    `optimizer` of that name, with `settings` as torch calls them. `steps` are those of the whole run.
    """

    layers: tuple[LinearLayer, ...]
    parameters: Arrays
    loss: str
    reduction: Literal["mean", "sum"]
    gradient: Literal["autograd", "manual"]
    optimizer: str
    rule: RuleCall | None
    settings: Mapping[str, Any]
    dtype: Literal["float32", "float64"]
    steps: int


class Trainer(Protocol):
    """A run in training, whose parameters and optimizer state live in the framework."""

    def take(self, first: int, count: int, inputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Take so many steps, of which the `first` is counted from 1; return the loss [count] before each update.

        Step i sees the rows `inputs[i]` [B, features] and `targets[i]`, [B, outputs] numbers or [B] classes. Where all
        steps see the same rows, the first axis of both is 1.
        """

    def update(self, t: int, gradients: Mapping[str, NDArray[Any]]) -> None:
        """Take the step `t` with these gradients in the place of the model's, as `xprun check` does."""

    def parameters(self) -> Arrays:
        """Return the parameters by name, in the shapes and the precision in which they were given."""

    def state(self) -> Arrays:
        """Return what the next step depends on beside the parameters and its number."""

    def restore(self, parameters: Arrays, state: Arrays) -> None:
        """Go on from such parameters and such a state."""


Backend = Callable[[Task], Trainer]
