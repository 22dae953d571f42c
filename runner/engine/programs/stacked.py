"""What all batched programs do alike: the parameters of all runs are one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from xprun.plugins.tensor_groups import Tensors, map_parts, tensors_in
from xprun.runner.engine.programs.program import See, SeeGradient
from xprun.runner.store.snapshots import State
from xprun.runner.workload.batch_feeds import Batches, Feed
from xprun.runner.workload.measures import Measure
from xprun.runner.workload.run_grid import Batch


class Stacked:
    """The parameters [S, K, P] of a stack of runs, their gradient, and (`held`) what else the models hold."""

    batched = True
    name: str
    module: nn.Module
    parameters: int  # trained numbers of one run
    flat: Tensor
    gradient: Tensor
    held: dict[str, Tensor]
    unused: frozenset[str] = frozenset()
    generators: Sequence[torch.Generator] = ()  # that a step draws from, one for each group
    see: See | None = None
    see_gradient: SeeGradient | None = None

    def pack(self, module: nn.Module) -> Tensor:
        """Return the trained parameters of a module as one vector [P], in the order of this program."""
        raise NotImplementedError

    @property
    def rows_at_once(self) -> int | None:
        return None

    @property
    def pure(self) -> bool:
        """Whether a step depends on the parameters and the batch alone."""
        raise NotImplementedError

    def draw_masks(self, rows: int) -> dict[str, Tensor]:
        """Return a mask [S, B, ...] for every random layer, each group's from its own generator; nothing by default."""
        return {}

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        raise NotImplementedError

    def prepare(self, inputs: Tensors, targets: Tensor) -> Batch:
        raise NotImplementedError

    def rows_of(self, batch: Batch) -> tuple[Tensors, Tensor]:
        """Return the inputs and targets of a batch as the model and the loss take them."""
        raise NotImplementedError

    def predict(self, prepared: Batch, columns: slice) -> Any:
        raise NotImplementedError

    def differentiate(self, batch: Batch) -> tuple[Tensor, int]:
        """Write the `gradient` for a batch; return the losses [S, k] and how many rows each run has seen."""
        raise NotImplementedError

    def losses_of(self, predictions: Any, prepared: Batch) -> Tensor:
        """Return the losses [S, k] of predictions [S, k, N, ...] for prepared rows."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, int]:
        return self.flat.shape[0], self.flat.shape[1]

    def begin(self, modules: list[list[nn.Module]]) -> None:
        self.flat = torch.stack([torch.stack([self.pack(module) for module in group]) for group in modules])
        self.gradient = torch.empty_like(self.flat)
        self._saved = {name: tensor.shape for name, tensor in modules[0][0].state_dict().items()}

    def batches(self, feed: Feed, seeds: list[int]) -> Batches[Batch]:
        return feed.together(self.prepare, seeds)

    def watch(self, see: See) -> None:
        self.see = see

    def watch_gradient(self, see: SeeGradient | None) -> None:
        self.see_gradient = see

    @property
    def weights(self) -> Tensor:
        return self.flat

    def replace(self, weights: Tensor) -> None:
        self.flat = weights

    def tensors(self) -> dict[str, Tensor]:
        held = {**self.views(self.flat), **self.held}
        return {name: held[name].reshape(*self.shape, *shape) for name, shape in self._saved.items()}

    def moving(self) -> list[Tensor]:
        return [self.flat, *(self.held[name] for name in self._statistics)]

    def put(self, tensors: list[Tensor]) -> None:
        self.flat, *statistics = tensors
        self.held |= zip(self._statistics, statistics, strict=True)

    @property
    def _statistics(self) -> list[str]:
        return [name for name, tensor in self.held.items() if tensor.is_floating_point()]

    def finite(self) -> Tensor:
        return self.flat.isfinite().all(2)

    def train(self, mode: bool) -> None:
        """Do nothing: no layer does otherwise in an evaluation."""

    def measure(
        self, metrics: dict[str, Measure], prepared: Batch, targets: Tensor, columns: slice
    ) -> dict[str, Tensor]:
        predictions = self.predict(prepared, columns)
        loss = self.losses_of(predictions, prepared)
        return {"loss": loss, **self._metrics(metrics, predictions, targets, columns)}

    def judge(
        self, loss: Any, metrics: dict[str, Measure], predictions: Tensors, targets: Tensor, columns: slice
    ) -> dict[str, Tensor]:
        losses = over_runs(loss, predictions, targets)
        return {"loss": losses, **self._metrics(metrics, predictions, targets, columns)}

    def _metrics(
        self, metrics: dict[str, Measure], predictions: Tensors, targets: Tensor, columns: slice
    ) -> dict[str, Tensor]:
        found = {}
        for name, metric in metrics.items():
            parameters = self.views(self.columns(columns)) if metric.needs_parameters else None
            found[name] = over_runs(metric, predictions, targets, parameters)
        return found

    def columns(self, columns: slice) -> Tensor:
        """Return the parameters [S, k, P] of some columns in memory of their own, if they are not all."""
        return self.flat[:, columns].contiguous()

    def keep(self, columns: Tensor) -> None:
        self.flat = self.flat.index_select(1, columns)
        self.gradient = torch.empty_like(self.flat)

    def state(self) -> State:
        return {"flat": self.flat}

    def restore(self, state: State) -> None:
        self.flat = state["flat"].to(self.flat.device)


def over_runs(
    measure: Any, predictions: Tensors, targets: Tensor, parameters: dict[str, Tensor] | None = None
) -> Tensor:
    """Return the measure [S, K, ...] of predictions [S, K, N, ...], at once if it can be batched, or else run by run.

    One that asks for the trained `parameters` [S, K, *shape] gets those of its run.
    """
    flat = map_parts(lambda part: part.flatten(0, 1), predictions)
    shape = tensors_in(predictions)[0].shape[:2]
    more = [{name: value.flatten(0, 1) for name, value in parameters.items()}] if parameters else []
    try:
        result: Tensor = vmap(measure, in_dims=(0, None, *(0 for _ in more)))(flat, targets, *more)
    except RuntimeError:
        found = []
        for i in range(shape.numel()):
            own = [{name: value[i] for name, value in part.items()} for part in more]
            found.append(measure(map_parts(lambda part: part[i], flat), targets, *own))  # noqa: B023 - called at once
        result = torch.stack([torch.as_tensor(value) for value in found])
    return result.view(*shape, *result.shape[1:])


def over_groups(
    measure: Any, predictions: Tensors, targets: Tensor, parameters: dict[str, Tensor] | None = None
) -> Tensor:
    """Return the measure [S, K] of predictions [S, K, B, ...] for targets [S, B, ...], of which each group has its own.

    One that asks for the trained `parameters` [S, K, *shape] gets those of its run.
    """
    more = [parameters] if parameters else []
    over_columns = vmap(measure, in_dims=(0, None, *(0 for _ in more)))
    try:
        result: Tensor = vmap(over_columns, in_dims=(0, 0, *(0 for _ in more)))(predictions, targets, *more)
    except RuntimeError:
        groups = []
        for s in range(len(targets)):
            own = {name: value[s : s + 1] for name, value in parameters.items()} if parameters else None
            groups.append(over_runs(measure, map_parts(lambda part: part[s : s + 1], predictions), targets[s], own))  # noqa: B023 - called at once
        result = torch.cat(groups)
    return result
