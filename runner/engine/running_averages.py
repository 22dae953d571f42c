"""Losses and metrics of the training rows as averages over the batches of an epoch, as textbooks print them."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor
from xprun.plugins.double_precision import has_double, in_double
from xprun.plugins.tensor_groups import Tensors, map_parts
from xprun.runner.engine.metric_history import Numbers
from xprun.runner.engine.programs.program import Program
from xprun.runner.engine.programs.stacked import over_groups
from xprun.runner.results.results_schema import LOSS, LOSS_PER_ROW, TRAIN
from xprun.runner.store.snapshots import State
from xprun.runner.workload.measures import Measure
from xprun.runner.workload.workload import Workload

AHEAD = 1000  # steps ahead of which a loop asks


class RunningAverages:
    """The mean of the `loss` and of each metric over the batches of an epoch so far, [S, k], each weighted by its rows.

    Each batch is measured by the outputs of its own step, in training mode and before its update. It counts once,
    however often an optimizer asks for its gradient. Epochs after which nothing is measured are left out.
    """

    def __init__(self, work: Workload, program: Program) -> None:
        self.work, self.program = work, program
        self.rows = 0  # of the epoch so far
        self.sums: dict[str, Tensor] = {}
        self._left = 0  # batches of the step at hand that are still to be counted
        stop = work.schedule.stop
        self._may_stop_anywhere = bool(stop) and (stop.loss_below, stop.max_seconds) != (None, None)  # type: ignore[union-attr]
        program.watch(self._see)

    def before(self, step: int, batches: int) -> None:
        """Get ready for a step of so many batches; the first one of an epoch begins anew."""
        if (step - 1) % self.work.schedule.steps_per_epoch == 0:
            self.rows, self.sums = 0, {}
        self._left = batches if self.counts(step) else 0

    def counts(self, step: int) -> bool:
        """Whether the epoch of a step is averaged: it is measured at its end, or its runs may stop anywhere."""
        schedule = self.work.schedule
        end = min(-(-step // schedule.steps_per_epoch) * schedule.steps_per_epoch, schedule.steps)
        return self._may_stop_anywhere or schedule.evaluates_after(end)

    @property
    def counts_all(self) -> bool:
        """Whether every epoch is averaged."""
        schedule = self.work.schedule
        return self._may_stop_anywhere or schedule.evaluate_every in (None, schedule.steps_per_epoch)

    def until(self, step: int) -> int:
        """Return how many steps, from this one on, may be taken at once: one, or as many as do not count."""
        return next((i for i in range(AHEAD) if self.counts(step + i)), AHEAD) or 1

    def averages(self) -> dict[str, Numbers]:
        """Return `train.loss`, `train.accuracy`, ... as arrays [S, k]."""
        shape = self.program.shape
        return {
            f"{TRAIN}.{name}": np.asarray((total / self.rows).cpu().numpy().reshape(shape), dtype=np.float64)
            for name, total in self.sums.items()
        }

    def keep(self, columns: Tensor) -> None:
        self.sums = {name: total.index_select(1, columns.to(total.device)) for name, total in self.sums.items()}

    def state(self) -> State:
        return {"rows": self.rows, "sums": dict(self.sums)}

    def restore(self, state: State) -> None:
        self.rows, device = state["rows"], self.work.device if has_double(self.work.device.type) else "cpu"
        self.sums = {name: total.to(device) for name, total in state["sums"].items()}

    def _see(self, losses: Tensor, outputs: Tensors, targets: Tensor) -> None:
        """Take in a batch: its losses [S, k], outputs [S, k, B, ...] and targets [S, B, ...]."""
        if not self._left:
            return
        self._left -= 1
        rows = targets.shape[1]
        self.rows += rows
        in_full = torch.autocast(self.work.device.type, enabled=False) if self.work.autocast else nullcontext()
        with torch.no_grad(), in_full:
            self._add(LOSS, losses, rows)
            if self.work.summed:
                self._add(LOSS_PER_ROW, losses / rows, rows)
            for name, metric in self.work.metrics.items():
                self._add(name, self._measured(metric, outputs, targets), rows)

    def _measured(self, metric: Measure, outputs: Tensors, targets: Tensor) -> Tensor:
        outputs = map_parts(self._in_full_precision, outputs)
        parameters = self.program.views(self.program.flat) if metric.needs_parameters else None
        return over_groups(metric, outputs, targets, parameters)

    def _in_full_precision(self, part: Tensor) -> Tensor:
        return part.detach().to(self.work.dtype) if part.is_floating_point() else part

    def _add(self, name: str, values: Tensor, rows: int) -> None:
        """Add the values [S, k] of a batch, in double precision: on the CPU, where the device has none."""
        weighted = in_double(values.detach().reshape(self.program.shape)) * rows
        self.sums[name] = self.sums[name] + weighted if name in self.sums else weighted
