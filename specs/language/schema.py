"""The sections of a spec that are xprun's own, as typed models; components' settings are checked by the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

# The sections that name a component, in the order in which a run is built and in which tables show them. Each may be
# written several times.
COMPONENT_SECTIONS = ("data", "model", "loss", "optimizer", "scheduler")
OPTIONAL_SECTIONS = ("scheduler",)  # without it the learning rate is constant

TORCH: Final = "torch"  # the backend that xprun itself is written in

DEVICE_PATTERN = r"^(auto|cpu|mps|cuda(:\d+)?)$"
Device = Annotated[str, Field(pattern=DEVICE_PATTERN)]


class AbsentByDefault:
    """Marks a setting that the first version lacked: at its default it is no part of a run's id, as if it were absent.

    No run is trained again because of a setting that it does not use: `Annotated[bool, AbsentByDefault()] = False`.
    """


class Strict(BaseModel):
    """A table in which every key is known and every value has its exact type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Head(Strict):
    """What stands at the top of a spec."""

    name: str | None = None
    title: str = ""
    device: Device = "auto"


class Patience(Strict):
    """How many evaluations in a row may go by without a new best value of a result."""

    evaluations: Annotated[int, Gt(0)]
    metric: str = "valid.loss"


class Stop(Strict):
    """`run.stop`: what ends a run early; the step that fulfils one of the rules is the run's last.

    `loss_below` looks at the loss of each step. `metric_reached` (`{ "valid.accuracy" = 0.95 }`: as good or better)
    and `patience` (a number of evaluations of `valid.loss`, or a table that names another result) look at evaluations.
    `max_seconds` is wall time from the start of the run, or of the runs that are trained together with it, without that
    of the compiler.
    """

    loss_below: float | None = None
    metric_reached: dict[str, float] = {}
    patience: Annotated[int, Gt(0)] | Patience | None = None
    max_seconds: Annotated[float, Gt(0)] | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Stop:
        if not self.model_fields_set:
            raise ValueError(f"must have at least one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def early_stopping(self) -> Patience | None:
        return Patience(evaluations=self.patience) if isinstance(self.patience, int) else self.patience


class Named(BaseModel):
    """An item of a list of components: a name, or a table of a name, settings and perhaps a label."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str
    label: str = ""

    @model_validator(mode="before")
    @classmethod
    def _a_name_will_do(cls, item: Any) -> Any:
        if isinstance(item, dict) and "name" not in item:
            raise ValueError(f'must name its {cls.__name__.lower()}: {{ name = "..." }}')
        return {"name": item} if isinstance(item, str) else item

    @property
    def settings(self) -> dict[str, Any]:
        return self.model_extra or {}


class Metric(Named):
    """An item of `run.metrics`: a name, or a table of a name, settings and perhaps a label.

    `label` names its columns; left out, it is the name with the settings that are written: `topk(k=5)`. `goal` is
    the component's: "none" for one that gives a matrix and therefore no column.
    """

    goal: Literal["min", "max", "none"] = "min"

    @property
    def column(self) -> str:
        """The name in result columns, after the split: `valid.topk(k=5)`."""
        written = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return self.label or (f"{self.name}({written})" if written else self.name)


class Plot(Named):
    """An item of `compare.plots`: a name, or a table of a name, settings and perhaps a label, which is its title."""


def _distinct(seeds: int | list[int]) -> int | list[int]:
    if isinstance(seeds, list) and (not seeds or len(set(seeds)) < len(seeds)):
        raise ValueError("must name at least one seed, each once")
    return seeds


class SaveBest(Strict):
    """`run.save` with the result by which the best evaluation is told."""

    metric: str
    goal: Literal["min", "max"]


class Average(Strict):
    """`run.average`: which average of the weights is measured and saved in the place of those of the last step.

    `ema` is the decay of an exponential moving average. `swa_from` is the share of the steps after which a mean of the
    weights begins.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    ema: Annotated[float, Ge(0), Lt(1)] | None = None
    swa_from: Annotated[float, Ge(0), Lt(1)] | None = None

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Average:
        if (self.ema is None) == (self.swa_from is None):
            raise ValueError(f"must have one of {' and '.join(type(self).model_fields)}")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, float]:
        return {name: value for name, value in serialize(self).items() if value is not None}


def _needs_no_scaler(kind: Any) -> Any:
    if kind == "float16":
        raise ValueError("must be 'none' or 'bfloat16' (float16 needs a scaled loss, which is not offered)")
    return kind


class RunSettings(Strict):
    """`[run]`: how long, how often, and what is measured.

    `epochs` or `steps` says when a run ends (one of them); 0 measures the untrained model. `seeds` is a number n,
    meaning 0..n-1, or a list. `record_every` thins the history of the loss: step 1, every such step and the last one
    are kept; by default as many as fit 2,000 points a run. `evaluate_every` is in epochs; by default at most 200
    evaluations a run. `engine` says whether runs are trained together or one by one, and `compile` whether their
    steps are compiled ("auto": when the training is long enough to repay it), which changes no result but its
    rounding. `search_seed` decides the draws of random sweeps. `gradient` is computed by autograd, or by the formula
    that the model brings ("manual"). `deterministic` lets torch use only algorithms that give the same bits every
    time. `save` keeps a checkpoint of the last step, or of the evaluation with the best `compare.metric`.
    `checkpoint_every` so many epochs the state of a run is saved, so that a run that is cut off goes on from there.
    `observers` write ended runs for other tools. `timeout` is the time in seconds after which a run, or runs that are
    trained together, are ended from outside. `measure_test` measures the test rows when a run has ended, or for their
    curves at each evaluation, too. `measure_train` measures all training rows at each evaluation, or averages the
    batches of the epoch as they are trained on ("running"), or neither. `clip_norm` is the largest norm of a gradient,
    over all parameters, and `clip_value` the largest size of one of its components. `accumulate` so many batches make
    one step, whose gradient is the mean of theirs. `autocast` computes the forward pass and the loss of a step in mixed
    precision. `average` measures and saves averaged weights. `backend` is the framework that takes the steps.
    """

    epochs: Annotated[int, Ge(0)] | None = None
    steps: Annotated[int, Ge(0)] | None = None
    seeds: Annotated[int, Gt(0)] | list[Annotated[int, Ge(0)]] = 1
    metrics: list[Metric] = []
    record_every: Annotated[int, Gt(0)] | None = None
    evaluate_every: Annotated[int, Gt(0)] | None = None
    dtype: Literal["float32", "float64"] = "float32"
    stop: Stop | None = None
    gradient: Literal["autograd", "manual"] = "autograd"
    deterministic: bool = False
    save: Literal["last", "best"] | SaveBest | None = None
    checkpoint_every: Annotated[int, Gt(0)] | None = None
    observers: list[str] = []
    engine: Literal["auto", "together", "alone"] = "auto"
    compile: Literal["auto"] | bool = "auto"
    search_seed: Annotated[int, Ge(0)] = 0
    timeout: Annotated[float, Gt(0)] | None = None
    measure_test: Annotated[Literal["end", "each"], AbsentByDefault()] = "end"
    measure_train: Annotated[Literal["full", "running", "none"], AbsentByDefault()] = "full"
    clip_norm: Annotated[Annotated[float, Gt(0)] | None, AbsentByDefault()] = None
    clip_value: Annotated[Annotated[float, Gt(0)] | None, AbsentByDefault()] = None
    accumulate: Annotated[int, Gt(0), AbsentByDefault()] = 1
    autocast: Annotated[Literal["none", "bfloat16"], BeforeValidator(_needs_no_scaler), AbsentByDefault()] = "none"
    average: Annotated[Average | None, AbsentByDefault()] = None
    backend: Annotated[str, AbsentByDefault()] = TORCH

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: int | list[int]) -> int | list[int]:
        return _distinct(seeds)

    @property
    def seed_list(self) -> Sequence[int]:
        return self.seeds if isinstance(self.seeds, list) else range(self.seeds)

    @property
    def own_numbers(self) -> dict[str, float]:
        """The numbers in which runs that train together may differ, by name."""
        ema = self.average.ema if self.average else None
        numbers = {"clip_norm": self.clip_norm, "clip_value": self.clip_value, "ema": ema}
        return {name: value for name, value in numbers.items() if value is not None}

    @property
    def scalars(self) -> list[Metric]:
        """The metrics that give one number, which has a column and a curve."""
        return [metric for metric in self.metrics if metric.goal != "none"]

    @property
    def matrices(self) -> list[Metric]:
        """The metrics that give a matrix, measured once at the end of a run."""
        return [metric for metric in self.metrics if metric.goal == "none"]


class Compare(Strict):
    """`[compare]`: which result column ranks the alternatives, and against which baseline.

    `by` names the section, or sections, whose alternatives are compared; the other sections that have several are
    problems, on each of which the alternatives are tried. `at` says whether runs are ranked as they ended, or as the
    checkpoint that `run.save = "best"` keeps. A difference of at most `tolerance` is none in practice. `target` is a
    value of `metric`, or of the metric that it names; with the metric "steps_to_target" the fastest there is best.
    `candidates` are the alternatives that the report is about: its first screen says where each of them stands.
    `plots` are drawn for the report beside its own. `curves` are the metrics that one plot shows over the steps, as
    in ["train.loss", "train.accuracy", "valid.accuracy"]; by default the loss and the compared metric have one each.
    `window` is what pictures of paths show of the parameters: a range for each, { w = [-1, 3], b = [0, 2] }.
    """

    by: str | list[str] | None = None
    metric: str | None = None
    goal: Literal["min", "max"] | None = None
    at: Literal["final", "checkpoint"] = "final"
    tolerance: Annotated[float, Ge(0)] = 0.0
    target: float | dict[str, float] | None = None
    baseline: str | None = None
    candidates: list[str] = []
    plots: list[Plot] = []
    curves: list[str] = []
    window: dict[str, list[float]] = {}

    @field_validator("window")
    @classmethod
    def _window_has_ranges(cls, window: dict[str, list[float]]) -> dict[str, list[float]]:
        if any(len(ends) != 2 or not ends[0] < ends[1] for ends in window.values()):
            raise ValueError("must be the lowest and the highest value of each parameter, as in { w = [-1, 3] }")
        return window

    @field_validator("curves", "candidates")
    @classmethod
    def _names_differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("must name each once")
        return names

    @field_validator("by")
    @classmethod
    def _by_names_each_once(cls, by: str | list[str] | None) -> str | list[str] | None:
        if isinstance(by, list) and (not by or len(set(by)) < len(by)):
            raise ValueError("must name at least one section or setting, each once")
        return by

    @field_validator("plots")
    @classmethod
    def _plots_differ(cls, plots: list[Plot]) -> list[Plot]:
        if any(plot in plots[:i] for i, plot in enumerate(plots)):
            raise ValueError("must not ask for the same plot twice")
        return plots

    @field_validator("target")
    @classmethod
    def _target_names_one_metric(cls, target: float | dict[str, float] | None) -> float | dict[str, float] | None:
        if isinstance(target, dict) and len(target) != 1:
            raise ValueError('must name one metric, as in { "valid.accuracy" = 0.95 }')
        return target

    @property
    def target_metric(self) -> str | None:
        """The metric that the target names; None where it is a number, of `metric`, or there is none."""
        return next(iter(self.target)) if isinstance(self.target, dict) else None

    @property
    def target_value(self) -> float | None:
        return next(iter(self.target.values())) if isinstance(self.target, dict) else self.target


class Confirm(Strict):
    """`[confirm]`: on which fresh seeds the chosen setting of each alternative is trained after the search.

    A number n means the n seeds after the largest of `run.seeds`; a list is taken as written.
    """

    seeds: Annotated[int, Gt(0)] | list[Annotated[int, Ge(0)]]

    @model_validator(mode="before")
    @classmethod
    def _needs_seeds(cls, table: Any) -> Any:
        if isinstance(table, dict) and "seeds" not in table:
            raise ValueError("must say on how many seeds, as in seeds = 10")
        return table

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: int | list[int]) -> int | list[int]:
        return _distinct(seeds)


CONFIRM_SECTION: Final = "confirm"
# The tables that are xprun's own and stand once.
OWN_SECTIONS: dict[str, type[Strict]] = {"run": RunSettings, CONFIRM_SECTION: Confirm, "compare": Compare}
PROBLEM_SECTION: Final = "problem"  # each a task with sections of its own
# What else a spec may have at its top, beside the keys of `Head` and the sections above.
OTHER_SECTIONS = (PROBLEM_SECTION, "search", "exclude", "ablate", "expect", "extends", "unset")
REQUIRED_SECTIONS = (*(name for name in COMPONENT_SECTIONS if name not in OPTIONAL_SECTIONS), "run")


def known_sections() -> list[str]:
    """Return every key that may stand at the top of a spec."""
    return [*Head.model_fields, *COMPONENT_SECTIONS, *OWN_SECTIONS, *OTHER_SECTIONS]
