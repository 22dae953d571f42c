"""Averages of the weights, which take their place while a run is measured, saved and shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from xprun.runner.engine.optimizers import Optimizers
from xprun.runner.engine.programs.program import Program
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload

ROUNDING = 1e-9  # of a share of the steps


def with_average(work: Workload, grid: Grid, program: Program, optimizers: Optimizers) -> Optimizers:
    """Return the optimizers of a grid, with the average beside them that `run.average` asks for."""
    settings = [run.settings for run in grid.runs[0]]
    average = settings[0].average
    if average is None:
        return optimizers
    if average.swa_from is not None:
        return Mean(optimizers, program, first_step(average.swa_from, work.schedule.steps))
    return MovingAverage(optimizers, program, [own.own_numbers["ema"] for own in settings])


def first_step(share: float, steps: int) -> int:
    """Return the first step after this share of so many steps; the last one at the latest."""
    return min(steps, math.floor(share * steps + ROUNDING) + 1)


class AveragedWeights:
    """Optimizers that keep an average of the weights beside: it is looked at, and the steps go on without it.

    Running statistics of a model are averaged, too, as by `torch.optim.swa_utils.AveragedModel(use_buffers=True)`.
    The first weights that count are the first average.
    """

    def __init__(self, optimizers: Optimizers, program: Program) -> None:
        self.optimizers, self.program = optimizers, program
        self.builds_graphs = optimizers.builds_graphs
        self.count = 0  # weights that are in the average
        self._average: list[Tensor] = []
        self._latest: list[Tensor] = []  # where the average stands in their place

    def train(self, mode: bool) -> None:
        if self._latest:
            self.program.put(self._latest)
            self._latest = []
        self.optimizers.train(mode)
        if self.count and not mode:
            self._latest = [tensor.clone() for tensor in self.program.moving()]
            self.program.put(self._average)

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        if not self.count:
            return self.optimizers.look(read)
        latest = [tensor.clone() for tensor in self.program.moving()]
        self.program.put(self._average)
        found = read()
        self.program.put(latest)
        return found

    def step(self, batch: Any, t: int) -> Tensor:
        losses = self.optimizers.step(batch, t)
        if self.counts(t):
            self._take_in(self.program.moving())
        return losses

    def counts(self, t: int) -> bool:
        """Whether the weights after step t are part of the average."""
        raise NotImplementedError

    def weight(self) -> Any:
        """Return the weight in the average of the latest of `count` weights: a number, or [k] of the columns."""
        raise NotImplementedError

    @torch.no_grad()
    def _take_in(self, latest: list[Tensor]) -> None:
        self.count += 1
        if self.count == 1:
            self._average = [tensor.clone() for tensor in latest]
            return
        weight = self.weight()
        for average, tensor in zip(self._average, latest, strict=True):
            average.lerp_(tensor, _against(weight, tensor))

    def keep(self, columns: list[int]) -> None:
        self.optimizers.keep(columns)
        chosen = torch.tensor(columns)
        self._average = [average.index_select(1, chosen.to(average.device)) for average in self._average]

    def state(self) -> State:
        return {"optimizers": self.optimizers.state(), "count": self.count, "average": self._average}

    def restore(self, state: State) -> None:
        self.optimizers.restore(state["optimizers"])
        self.count = state["count"]
        pairs = zip(state["average"], self.program.moving(), strict=False)
        self._average = [average.to(tensor.device) for average, tensor in pairs]


class MovingAverage(AveragedWeights):
    """a <- b a + (1 - b) w after every step: an exponential moving average, as `torch.optim.swa_utils` has it.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992, on averages of the
    weights; this one is that of Tarvainen and Valpola, Mean teachers are better role models, 2017.
    """

    def __init__(self, optimizers: Optimizers, program: Program, decays: list[float]) -> None:
        super().__init__(optimizers, program)
        shares = [1 - decay for decay in decays]
        self._weight: Any = program.flat.new_tensor(shares) if program.batched else shares[0]

    def counts(self, t: int) -> bool:
        return True

    def weight(self) -> Any:
        return self._weight

    def keep(self, columns: list[int]) -> None:
        super().keep(columns)
        self._weight = self._weight[columns]


class Mean(AveragedWeights):
    """a <- a + (w - a) / n after every step from `first` on: the mean of the n weights since then.

    Source: Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018.
    """

    def __init__(self, optimizers: Optimizers, program: Program, first: int) -> None:
        super().__init__(optimizers, program)
        self.first = first

    def counts(self, t: int) -> bool:
        return t >= self.first

    def weight(self) -> float:
        return 1 / self.count


def _against(weight: Any, tensor: Tensor) -> Any:
    """Return the weight such that it broadcasts against [S, k, ...]."""
    return weight.view(-1, *(1 for _ in tensor.shape[2:])) if isinstance(weight, Tensor) else weight
