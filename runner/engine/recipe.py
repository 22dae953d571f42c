"""What `[run]` asks of the gradients of every step, whatever the optimizer is: accumulation, then clipping."""

from __future__ import annotations

from typing import Any, cast

from xprun.runner.engine.programs.accumulated import Accumulated
from xprun.runner.engine.programs.clipped import Clipped, ClippedByNorm, ClippedByValue
from xprun.runner.engine.programs.program import Program
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload

CLIPPED: dict[str, type[Clipped]] = {"clip_norm": ClippedByNorm, "clip_value": ClippedByValue}


def with_recipe(work: Workload, grid: Grid, program: Program) -> Program:
    """Return the program with the gradients that `[run]` asks for; the program itself where it asks for nothing."""
    made: Any = program
    if work.accumulate > 1:
        made = Accumulated(made, work.accumulate, work.batches_per_epoch)
    for name, clipped in CLIPPED.items():
        if getattr(grid.runs[0][0].settings, name) is not None:
            made = clipped(made, [getattr(run.settings, name) for run in grid.runs[0]])
    return cast(Program, made)
