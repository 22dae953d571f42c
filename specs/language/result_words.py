"""The words in which claims speak of results; the tables have them as columns (`runner/results/results_schema.py`)."""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["done", "stopped", "diverged", "failed", "timeout"]
Moment = Literal["final", "best", "checkpoint"]
Stage = Literal["search", "confirm"]

SEARCH: Final = "search"  # every setting
CONFIRM: Final = "confirm"  # the chosen ones, on fresh seeds

SEED: Final = "seed"
STAGE: Final = "stage"
STEPS: Final = "steps"
EPOCHS: Final = "epochs"
SECONDS: Final = "seconds"
COUNTED: Final = (STEPS, EPOCHS, SECONDS)  # what is known of every run, beside its metrics

FINAL: Final = "final."
BEST: Final = "best."
CHECKPOINT: Final = "checkpoint."
PARAMETER: Final = "param."
REFERENCE: Final = "reference."
MEASURED: Final = (FINAL, BEST, CHECKPOINT, PARAMETER, REFERENCE)  # what a column of a measured number begins with
