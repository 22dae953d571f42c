"""A small training that a worker does while it waits for its first task.

The first touch of a page of memory after a fork takes microseconds, and a training touches thousands of them.
"""

from __future__ import annotations

from contextlib import suppress

from xprun.plugins.discovery import open_registry
from xprun.runner.execution.cohort_execution import execute
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import cohorts_of
from xprun.runner.resolve.resolver import resolve
from xprun.specs import expand, read_spec, read_text

SPEC = """
[data]
name = "digits"
valid = 0.2
batch_size = 64
[model]
layers = [
  { name = "Linear", in_features = 64, out_features = 16 },
  { name = "ReLU" },
  { name = "Linear", in_features = 16, out_features = 10 },
]
[loss]
name = "CrossEntropyLoss"
[optimizer]
name = "scratch.momentum"
lr = 0.1
[run]
steps = 2
seeds = 2
"""


class WarmUp:
    """The training, made ready in the process from which workers are forked; only a worker does it."""

    def __init__(self) -> None:
        spec = resolve(read_spec(read_text(SPEC, "warm-up")), open_registry())
        [self.cohort] = cohorts_of(expand(spec))

    def __call__(self) -> None:
        with suppress(Exception):  # what is wrong is told by the cohort that meets it
            for _ in execute(self.cohort, Context("cpu")):
                pass
