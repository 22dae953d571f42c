"""What a run leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from xprun.runner.results.results_schema import ENDED_WELL, ERRORED
from xprun.specs.language.result_words import PARAMETER as PARAMETER
from xprun.specs.language.result_words import Status as Status

Engine = Literal["", "alone", "together", "compiled"]  # empty: not known, of a run before there was this word


@dataclass(frozen=True)
class Series:
    """One measured quantity over a run: `values[i]` was measured at step `steps[i]`, 0 being before the first one."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> Series:
        """Return what was measured at some of the steps."""
        return Series(self.steps[chosen], self.values[chosen])


@dataclass
class Outcome:
    """How a run ended, and its history.

    `seconds` is the wall time of training and evaluating; where `together` runs were trained at once, an equal share of
    their time. `parameters` holds the final values of a tiny model, `matrices` those of metrics such as
    `valid.confusion`, row by row; `visuals` what only plots need (`workload/visual_data.py`), by kind; `classes` the
    names of the classes in both of these, from 0 on; `reference` what the best parameters reach, where they are known;
    `state` what a checkpoint is made of, and `checkpoint` the hash of its files; `kept` what the best checkpoint
    reaches on the test rows, such as `test.accuracy`. `engine` is how it was trained (`alone`, `together`,
    `compiled`) and `torch` with which version; `host` is a short hash of the machine's name, `device` what it
    was trained on there, with so many `threads` (0: not known). An outcome that is not `cacheable` depends on what
    this machine lacks now: when the run is asked for again, it is tried again.
    """

    run: str
    status: Status
    reason: str = ""
    steps: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    together: int = 1
    history: dict[str, Series] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    state: dict[str, NDArray[Any]] = field(default_factory=dict)
    checkpoint: str = ""
    cacheable: bool = True
    matrices: dict[str, list[list[float]]] = field(default_factory=dict)
    visuals: dict[str, list[list[float]]] = field(default_factory=dict)
    reference: dict[str, float] = field(default_factory=dict)
    kept: dict[str, float] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    engine: Engine = ""
    torch: str = ""
    host: str = ""
    device: str = ""
    threads: int = 0

    @property
    def errored(self) -> bool:
        """Whether something ended the run that is no result of its training."""
        return self.status in ERRORED

    def trained(self, metric: str) -> Series | None:
        """Return the history of a metric without the untrained model; of a run of no steps that is all there is.

        None where the metric was not measured then. What is final, or reaches a target, is looked for in it.
        """
        series = self.history.get(metric)
        if series is None or not self.steps or series.steps[0] > 0:
            return series
        return series.where(series.steps > 0) if series.steps[-1] > 0 else None

    def best(self, metric: str, goal: str) -> float:
        """Return the best finite value of a metric, be it that of the untrained model; NaN where there is none."""
        values = self.history[metric].values.tolist() if metric in self.history else []
        return float((max if goal == "max" else min)(filter(math.isfinite, values), default=math.nan))

    @property
    def ended_well(self) -> bool:
        """Whether the run came to its end, so that its last values are its results."""
        return self.status in ENDED_WELL
