"""Rebuilds the model of a saved run from what it was made of and its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from xprun.plugins.registry import Registry
from xprun.runner.process.log import words_of
from xprun.runner.store.checkpoints import CheckpointError, load_state, read_run
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Run


@dataclass(frozen=True)
class SavedModel:
    """The model of a run as its checkpoint has it, in evaluation mode on the CPU, and the run's data."""

    run: Run
    work: Workload
    module: nn.Module


def rebuild(folder: Path, name: str, registry: Registry) -> SavedModel:
    """Return the model of the run of an output folder whose id starts with a name; "" where only one was saved.

    Raises CheckpointError where there is no such run, or more than one, where its files are not as they were saved, or
    where its data or model cannot be made any more.
    """
    run, path = read_run(folder, name)
    try:
        work = make_workload(registry, run, torch.device("cpu"))
        module = work.make_model(run.seed)
    except (Exception, SystemExit) as error:  # of a component, or of what a file says about one
        why = f"{type(error).__name__}: {words_of(error)}"
        raise CheckpointError(f"run {run.id} cannot be rebuilt: {why[:200]}") from error
    load_state(module, path)
    return SavedModel(run, work, module.eval())
