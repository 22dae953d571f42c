"""What a program is: runs of one model in training, as the loop sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn
from xprun.plugins.tensor_groups import Tensors
from xprun.runner.store.snapshots import State
from xprun.runner.workload.batch_feeds import Batches, Feed
from xprun.runner.workload.measures import Measure

SeeGradient = Callable[[Tensor], None]  # [S, k, P], in memory of its own
See = Callable[[Tensor, Tensors, Tensor], None]  # losses [S, k], outputs [S, k, B, ...], targets [S, B, ...]


class Program(Protocol):
    """Runs [S, K] of one model: their parameters, their losses and gradients, and what they predict.

    Columns may leave, so that k of the K are left. What an optimizer asks for beside is told by the programs that it
    goes with: `Differentiable` for update rules on one vector, `Autograd` for whatever works on a module.
    """

    name: str
    parameters: int  # trained numbers of one run
    batched: bool  # whether a step is one tensor program for all runs

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers S of groups and k of columns."""

    @property
    def flat(self) -> Tensor:
        """The trained parameters [S, k, P]."""

    def begin(self, modules: list[list[nn.Module]]) -> None:
        """Take the parameters from freshly made modules [S][K]."""

    def batches(self, feed: Feed, seeds: list[int]) -> Batches[Any]:
        """Return the batches of the S groups, in the form that a step takes."""

    def watch(self, see: See) -> None:
        """Let each batch whose gradient is computed be seen with what the runs make of it, before their update."""

    def watch_gradient(self, see: SeeGradient | None) -> None:
        """Let the gradient of each batch be seen when it is computed, before anything is made of it; None: no more."""

    def prepare(self, inputs: Tensors, targets: Tensor) -> Any:
        """Return rows [N, ...] in the form that predictions and batches are made from."""

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views [..., *shape] of parameters [..., P], by name."""

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds of all runs, [S, k, ...] by the names of a `state_dict`."""

    def moving(self) -> list[Tensor]:
        """Return all numbers [S, k, ...] that training changes: the trained parameters, and running statistics."""

    def put(self, tensors: list[Tensor]) -> None:
        """Go on with other numbers than those of `moving`."""

    def finite(self) -> Tensor:
        """Return which runs [S, k] have finite parameters."""

    def train(self, mode: bool) -> None:
        """Let layers do as in training, or as in an evaluation."""

    def predict(self, prepared: Any, columns: slice) -> Tensors:
        """Return the outputs [S, k, N, ...] of the runs in these columns for prepared rows [N, ...]."""

    def measure(self, metrics: dict[str, Measure], prepared: Any, targets: Tensor, columns: slice) -> dict[str, Tensor]:
        """Return the `loss` and some metrics on prepared rows, [S, k, ...] or those of a lone run [...]."""

    def judge(
        self, loss: Any, metrics: dict[str, Measure], predictions: Tensors, targets: Tensor, columns: slice
    ) -> dict[str, Tensor]:
        """Return what `measure` does, of predictions [S, k, N, ...] for targets [N, ...]."""

    def keep(self, columns: Tensor) -> None:
        """Go on with these columns of runs only."""

    @property
    def rows_at_once(self) -> int | None:
        """How many rows the outputs of all runs may be computed of at once; None where it does not matter."""

    def numbers_per_run(self, rows: int) -> int:
        """Return about how many numbers one more run takes in a step beside its parameters and optimizer state."""

    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class Differentiable(Program, Protocol):
    """A program whose `weights`, the trained parameters, and their `gradient` are one tensor [S, k, P] each."""

    gradient: Tensor
    unused: frozenset[str]  # trained parameters that have no part in the losses of the latest batch

    @property
    def weights(self) -> Tensor: ...

    def differentiate(self, batch: Any) -> tuple[Tensor, int]:
        """Write the `gradient` for a batch; return the losses [S, k] and how many rows each run has seen."""

    def replace(self, weights: Tensor) -> None:
        """Go on with these weights."""
