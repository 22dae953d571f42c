"""The words in which claims speak of results; the tables have them as columns (`runner/results/results_schema.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Final, Literal

Status = Literal["done", "stopped", "diverged", "failed", "timeout"]
Moment = Literal["final", "best", "checkpoint"]
Stage = Literal["screen", "search", "confirm"]

SCREEN: Final = "screen"  # shorter runs, by which a search drops settings
SEARCH: Final = "search"  # every setting
CONFIRM: Final = "confirm"  # the chosen ones, on fresh seeds

SEED: Final = "seed"
PROBLEM: Final = "problem"
STEPS_TO_TARGET: Final = "steps_to_target"  # a metric to compare by, which follows from the history
STAGE: Final = "stage"
STEPS: Final = "steps"
EPOCHS: Final = "epochs"
SECONDS: Final = "seconds"
COUNTED: Final = (STEPS, EPOCHS, SECONDS)  # what is known of every run, beside its metrics

FINAL: Final = "final."
BEST: Final = "best."
CHECKPOINT: Final = "checkpoint."
PARAMETER: Final = "param."
GRADIENT: Final = "grad."  # of the history alone: no column of a run begins with it
REFERENCE: Final = "reference."
MEASURED: Final = (FINAL, BEST, CHECKPOINT, PARAMETER, REFERENCE)  # what a column of a measured number begins with

WHOLE: Final = 1e15  # below it a number without a fraction is written as an integer
BETWEEN: Final = " · "  # parts of the label of an alternative


def alternative_label(cells: Mapping[str, Any], by: Sequence[str]) -> str:
    """Return the label of an alternative: `large · SGD` of two sections, `SGD · lr=0.1` of a section and a setting.

    `cells` are labels by section and values by dotted setting, as a run has them or as a table holds them; one that
    an alternative lacks is left out.
    """
    return BETWEEN.join(_part(name, cells[name], by) for name in by if name in cells and cells[name] == cells[name])


def compared_settings(by: Iterable[str]) -> list[str]:
    """Return the dotted settings among what is compared."""
    return [name for name in by if "." in name]


def _part(name: str, value: Any, by: Sequence[str]) -> str:
    _, dot, setting = name.partition(".")
    if not dot:
        return str(value)
    alone = [other.partition(".")[2] for other in by].count(setting) == 1
    return f"{setting if alone else name}={_written(value)}"


def _written(value: Any) -> str:
    """Return a value as a spec writes it, whether it comes from there or from a table, where 32 may be 32.0."""
    if str(value) in ("True", "False"):
        return str(value).lower()
    if isinstance(value, Real):
        number = float(value)
        return str(int(number)) if abs(number) < WHOLE and number.is_integer() else format(number, ".12g")
    return value if isinstance(value, str) else json.dumps(value)
