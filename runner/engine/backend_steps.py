"""The steps of a run whose backend is another framework: its module in torch has their numbers after each block."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from xprun.plugins.backends.backend_contract import Arrays, Trainer
from xprun.runner.engine.programs.autograd import Autograd, Rows
from xprun.runner.store.snapshots import State
from xprun.runner.workload.backend_task import make_task
from xprun.runner.workload.workload import Workload
from xprun.specs import Run

if TYPE_CHECKING:
    from xprun.runner.engine.loop import Training

NUMBERS = 2**24  # of the batches that are handed to one call at most


class BackendSteps:
    """What a backend makes of a run, seen as the optimizer of its module, on which torch measures all there is to tell.

    The framework is imported at the first step: whoever only looks at the run does without it.
    """

    builds_graphs = False

    def __init__(self, work: Workload, run: Run, program: Autograd) -> None:
        self.work, self.run, self.program = work, run, program

    @cached_property
    def trainer(self) -> Trainer:
        make = self.work.registry.find("backend", self.work.backend).load()
        return cast(Trainer, make(make_task(self.work, self.run)))

    def train(self, mode: bool) -> None:
        """Do nothing: a chain of Linear layers has no modes."""

    def look(self, read: Callable[[], Tensor]) -> Tensor:
        return read()

    def step(self, batch: Rows, t: int) -> Tensor:
        """Take one step with a batch and return its loss [1, 1]."""
        return self._steps([batch], t)[0]

    # --- see `Blocks`

    def most(self, batch: Any) -> int:
        rows, targets = batch
        return NUMBERS if self.work.is_full_batch else max(1, NUMBERS // max(1, rows.numel() + targets.numel()))

    def take(self, training: Training, batches: list[Any]) -> Tensor:
        with training.rules.off_the_clock():
            self.trainer  # noqa: B018 - the framework is imported where this is asked for first
        if training.trajectory.before(training.steps + 1):
            self.program.gradients(batches[0])  # which is seen: by torch, as all there is to tell
        losses = self._steps(batches, training.steps + 1)
        training.steps += len(batches)
        return losses

    def _steps(self, batches: list[Rows], first: int) -> Tensor:
        """Take a step with each batch, and hand the module their numbers; return the losses [n, 1, 1]."""
        different = batches[:1] if self.work.is_full_batch else batches
        inputs = np.stack([cast(Tensor, x).flatten(1).cpu().numpy() for x, _ in different])
        targets = np.stack([y.cpu().numpy() for _, y in different])
        losses = self.trainer.take(first, len(batches), inputs, targets)
        self._read(self.trainer.parameters())
        return torch.from_numpy(np.array(losses)).view(-1, 1, 1)

    def _read(self, found: Arrays) -> None:
        """Give the module the numbers of the backend."""
        with torch.no_grad():
            for name, parameter in self.program.module.named_parameters():
                parameter.copy_(torch.from_numpy(np.array(found[name])))

    # --- snapshots

    def keep(self, columns: list[int]) -> None:
        """Do nothing: there is one run."""

    def state(self) -> State:
        return {name: torch.from_numpy(np.array(value)) for name, value in self.trainer.state().items()}

    def restore(self, state: State) -> None:
        parameters = {name: p.detach().cpu().numpy().copy() for name, p in self.program.module.named_parameters()}
        self.trainer.restore(parameters, {name: value.numpy() for name, value in state.items()})
