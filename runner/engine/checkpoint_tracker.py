"""Keeps parameters and buffers as they were at a run's end or at its best, in memory until it has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xprun.runner.engine.stop_rules import Mask, Numbers, improved
from xprun.runner.store.snapshots import State
from xprun.specs.language.schema import SaveBest

Tensors = Callable[[], dict[str, Tensor]]  # parameters and buffers [S, k, ...] by name


class CheckpointTracker:
    """Keeps what `run.save` asks for of runs [S, K], a lone run being [1, 1]."""

    def __init__(self, save: str | SaveBest | None, shape: tuple[int, int]) -> None:
        self.save, self.shape = save, shape
        self.best: Numbers = np.full(shape, np.nan)
        self.has: Mask = np.zeros(shape, dtype=bool)
        self.kept: dict[str, Tensor] = {}

    def evaluated(
        self, measured: dict[str, Numbers], open_: Mask, columns: NDArray[np.int64], tensors: Tensors
    ) -> None:
        """Keep the runs [S, k] in these columns of all that are better than ever, where the best is asked for.

        The untrained model has no average over the batches of an epoch: where that is what is asked for, it is none.
        """
        if not isinstance(self.save, SaveBest) or self.save.metric not in measured:
            return
        values, best = measured[self.save.metric], self.best[:, columns]
        better = open_ & improved(values, best, self.save.goal)
        self.best[:, columns] = np.where(better, values, best)
        self._keep(better, columns, tensors)

    def ended(self, chosen: Mask, columns: NDArray[np.int64], tensors: Tensors) -> None:
        """Keep the chosen runs [S, k] in these columns of all as they are, where the last is asked for."""
        if self.save == "last":
            self._keep(chosen, columns, tensors)

    def kept_of(self, s: int, k: int) -> dict[str, NDArray[Any]]:
        """Return what is kept of a run, by the names of its `state_dict`."""
        return {name: tensor[s, k].cpu().numpy() for name, tensor in self.kept.items()} if self.has[s, k] else {}

    def _keep(self, chosen: Mask, columns: NDArray[np.int64], tensors: Tensors) -> None:
        groups, places = chosen.nonzero()
        if not len(groups):
            return
        now = tensors()
        device = next(iter(now.values())).device
        s, i, k = (torch.from_numpy(index).to(device) for index in (groups, places, columns[places]))
        for name, tensor in now.items():
            if name not in self.kept:
                self.kept[name] = tensor.new_empty(self.shape + tensor.shape[2:])
            self.kept[name][s, k] = tensor[s, i].detach()
        self.has[groups, columns[places]] = True

    def state(self) -> State:
        return {"best": torch.from_numpy(self.best), "has": torch.from_numpy(self.has), "kept": self.kept}

    def restore(self, state: State, device: torch.device) -> None:
        self.best, self.has = state["best"].numpy(), state["has"].numpy()
        self.kept = {name: tensor.to(device) for name, tensor in state["kept"].items()}
