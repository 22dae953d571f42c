"""What the tables of an output folder hold: the name, type, role and meaning of each column, once for all who ask.

It is written beside the tables as `tables.json`; reports, `xprun diff` and notebooks read that, and guess nothing from
the name of a column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, get_args

from xprun.specs.language import result_words
from xprun.specs.language.result_words import BETWEEN as BETWEEN
from xprun.specs.language.result_words import Moment, Status
from xprun.specs.language.result_words import Stage as Stage
from xprun.specs.language.result_words import alternative_label as alternative_label
from xprun.specs.language.result_words import compared_settings as compared_settings

SCHEMA: Final = 2  # of folders without a `tables.json` it is 1
FILE: Final = "tables.json"

Type = Literal["text", "integer", "number", "boolean", "mixed"]
Role = Literal[
    "id",
    "section",
    "setting",
    "repeat",
    "seed",
    "stage",
    "status",
    "ending",
    "metric",
    "parameter",
    "reference",
    "key",
    "value",
]
Goal = Literal["min", "max"]
Split = Literal["train", "valid", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)
TRAIN, VALID, TEST = SPLITS
STAGES: tuple[Stage, ...] = get_args(Stage)
SCREEN, SEARCH, CONFIRM = STAGES
STATUSES: tuple[Status, ...] = get_args(Status)
DONE, STOPPED, DIVERGED, FAILED, TIMEOUT = STATUSES
ENDED_WELL = (DONE, STOPPED)
ERRORED = (FAILED, TIMEOUT)  # ended by what is no result of the training
HOLDS, DOES_NOT_HOLD, NOT_JUDGED = VERDICTS = ("ok", "FAILED", "not judged")
DATA_ROWS, TRUE_CURVE, FITTED_CURVE = CURVES = ("data", "truth", "fit")

FINAL, BEST, CHECKPOINT = result_words.FINAL, result_words.BEST, result_words.CHECKPOINT
PARAMETER, REFERENCE = result_words.PARAMETER, result_words.REFERENCE
GRADIENT = result_words.GRADIENT
SEED, STEPS = result_words.SEED, result_words.STEPS
PROBLEM: Final = result_words.PROBLEM
EPOCHS, SECONDS = result_words.EPOCHS, result_words.SECONDS

# The sections that decide what runs share: the data over which they fit a curve, and the surface that they move over.
SHARED = {"data": ("data",), "surface": ("data", "model", "loss")}

RUN: Final = "run"
STAGE: Final = result_words.STAGE
STATUS: Final = "status"
REASON: Final = "reason"
TOGETHER: Final = "together"
ENGINE: Final = "engine"
TORCH: Final = "torch"
HOST: Final = "host"
DEVICE: Final = "device"
THREADS: Final = "threads"
STEP: Final = "step"
EPOCH: Final = "epoch"
MODELS_FILE: Final = "models.json"  # the graphs of the models
DATA_FILE: Final = "data.json"  # what the data are: parts, shapes, classes, a few rows
METRIC: Final = "metric"
VALUE: Final = "value"
ROW: Final = "row"
COLUMN: Final = "column"
PLACE: Final = "place"
CLAIM: Final = "claim"
VERDICT: Final = "verdict"
FOUND: Final = "found"
LOSS: Final = "loss"
LOSS_PER_ROW: Final = "loss_per_row"  # of a loss that is a sum
LOSSES: Final = (LOSS, LOSS_PER_ROW)
STEPS_TO_TARGET: Final = result_words.STEPS_TO_TARGET
SERIES: Final = "series"
X: Final = "x"
Y: Final = "y"
TARGET: Final = "target"
PREDICTION: Final = "prediction"
PROBABILITY: Final = "probability"
IMAGE: Final = "image"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `section` is that of a label or a setting; `swept` says of a setting whether its values are compared. The column of
    a metric holds its final or best value, its `moment`.
    """

    name: str
    type: Type
    role: Role
    meaning: str
    section: str | None = None
    swept: bool | None = None
    moment: Moment | None = None
    metric: str | None = None
    goal: Goal | None = None
    split: Split | None = None


@dataclass(frozen=True)
class Table:
    """One file of the folder and its columns. Those that are named by a pattern, `param.<name>`, may be several."""

    file: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def fixed(self) -> dict[str, Type]:
        """The columns that every such file has, by name, with their types."""
        return {column.name: column.type for column in self.columns if "<" not in column.name}


# Columns of results.csv of which there are as many as a spec asks for; the name is a pattern.
SECTION_COLUMN = Column(
    "<section>", "text", "section", "the label of the alternative that fills a section: `data`, `model`, `loss`, "
    "`optimizer` and, where the spec has it, `scheduler`"
)  # fmt: skip
SETTING_COLUMN = Column(
    "<section>.<setting>", "mixed", "setting", "a setting that the spec writes or sweeps, such as `optimizer.lr`, "
    "`data.batch_size`, `model.layers[0].out_features`: a number, text or true/false; a swept list or table as JSON"
)  # fmt: skip
REPEAT_COLUMN = Column(
    "data.<seed>", "integer", "repeat", "a seed of the data, such as `data.split_seed`, or of `data.k_folds` folds the "
    "one that is held out, `data.fold`, from 0: it repeats a setting as `seed` does"
)  # fmt: skip
FINAL_COLUMN = Column(
    f"{FINAL}<metric>", "number", "metric", "the last value of a metric; empty unless the run is `done` or `stopped`"
)
BEST_COLUMN = Column(
    f"{BEST}<metric>", "number", "metric", "the best finite value of a metric; not of the test rows, by which nothing "
    "is chosen"
)  # fmt: skip
CHECKPOINT_COLUMN = Column(
    f"{CHECKPOINT}<metric>", "number", "metric", "the value that a metric of the test rows has at the checkpoint which "
    "`run.save = \"best\"` keeps"
)  # fmt: skip
STEPS_COLUMN = Column(
    f"{FINAL}{STEPS_TO_TARGET}", "number", "metric", "with that `compare.metric`: the step of the first evaluation, or "
    "for `loss` the first recorded step, at which the target is reached, and so a multiple of their interval; empty "
    "where it never is", moment="final", metric=STEPS_TO_TARGET, goal="min"
)  # fmt: skip
PARAMETER_COLUMN = Column(
    f"{PARAMETER}<name>", "number", "parameter", "a final parameter of a model with at most 16 numbers, such as "
    "`param.w`, `param.b` or `param.w[1]`"
)  # fmt: skip
REFERENCE_COLUMN = Column(
    f"{REFERENCE}<name>", "number", "reference", "what least squares in closed form reaches by a metric, or its "
    "parameter `param.<name>`; for linear models with a squared error"
)  # fmt: skip
PROBLEM_COLUMN = Column(
    PROBLEM, "text", "section", "where a spec lists `[[problem]]`s, the label of the one that the run is of", PROBLEM
)  # fmt: skip
SEED_COLUMN = Column(SEED, "integer", "seed", "the seed of the initial parameters and of the batch order")

ENDING_COLUMNS = (
    Column(
        STAGE,
        "text",
        "stage",
        "`search`: every setting; `confirm`: the chosen ones, on fresh seeds; `screen`: shorter runs of a search",
    ),
    Column(
        STATUS, "text", "status", "`done`, `stopped` (a stop rule fired), `diverged` (a loss or parameter became "
        "infinite or NaN), `failed` (a component raised an error), `timeout`"
    ),
    Column(REASON, "text", "ending", "why the status is not `done`"),
    Column(STEPS, "integer", "ending", "optimizer steps taken"),
    Column(EPOCHS, "number", "ending", "steps divided by the steps of an epoch"),
    Column(
        SECONDS, "number", "ending", "wall time of training and evaluating the run; of runs trained together, an equal "
        "share of their time"
    ),
    Column(TOGETHER, "integer", "ending", "how many runs were trained at once with this one, itself included"),
    Column(
        ENGINE, "text", "ending", "how it was trained: `alone` in the ordinary loop, `together` in a batched program, "
        "or `compiled`, where blocks of its steps were"
    ),
    Column(TORCH, "text", "ending", "the version of torch"),
    Column(HOST, "text", "ending", "where it was trained: a short hash of the machine's name"),
    Column(DEVICE, "text", "ending", "what it was trained on there: `cpu`, `cuda:0`, `mps`"),
    Column(THREADS, "integer", "ending", "how many threads of that machine it was given; 0: not known"),
)  # fmt: skip

RUN_COLUMN = Column(RUN, "text", "id", "the run's id: a hash of its settings, its components' sources and its seed")
RESULTS = Table(
    "results.csv",
    "one row a run and label",
    (
        RUN_COLUMN,
        PROBLEM_COLUMN,
        SECTION_COLUMN,
        SETTING_COLUMN,
        REPEAT_COLUMN,
        SEED_COLUMN,
        *ENDING_COLUMNS,
        FINAL_COLUMN,
        BEST_COLUMN,
        CHECKPOINT_COLUMN,
        PARAMETER_COLUMN,
        REFERENCE_COLUMN,
    ),
)
OF_RUN = replace(RUN_COLUMN, meaning="the run's id")
HISTORY = Table(
    "history.csv",
    "one row a measurement",
    (
        OF_RUN,
        Column(
            STEP,
            "integer",
            "key",
            "the step after which, or for `loss`, `param.<name>` and `grad.<name>` in which, it was measured; 0: "
            "before the first",
        ),
        Column(EPOCH, "number", "key", "the step divided by the steps of an epoch"),
        Column(
            METRIC,
            "text",
            "key",
            "what was measured: `loss`, `train.<metric>`, `valid.<metric>`, `test.<metric>`, `param.<name>`, "
            "`grad.<name>`",
        ),
        Column(VALUE, "number", "value", "its value; `inf` and empty (NaN) occur at the last step of a diverged run"),
    ),
)
MATRICES = Table(
    "matrices.csv",
    "one row a cell",
    (
        OF_RUN,
        Column(METRIC, "text", "key", "what was measured, such as `train.confusion` or `valid.confusion`"),
        Column(ROW, "integer", "key", "from 0; of a confusion matrix: the actual class"),
        Column(COLUMN, "integer", "key", "from 0; of a confusion matrix: the predicted class"),
        Column(VALUE, "number", "value", "of a confusion matrix: how many examples"),
    ),
)
CLAIMS = Table(
    "claims.csv",
    "one row a claim",
    (
        Column(PLACE, "text", "key", "where the claim stands: `file:line:column`"),
        Column(CLAIM, "text", "key", "the claim in words"),
        Column(VERDICT, "text", "value", "`ok`, `FAILED`, or `not judged` if one of its runs failed"),
        Column(FOUND, "text", "value", "the values found, or why it was not judged"),
    ),
)
SURFACE = Table(
    "surface.csv",
    "the loss around paths",
    (
        replace(RUN_COLUMN, meaning="a run with the data, model and loss that all runs over this surface share"),
        replace(
            PARAMETER_COLUMN, meaning="where: 201 places along one parameter, 61 times 61 over two, or over a plane in "
            "which three or four parameters move most"
        ),
        Column(LOSS, "number", "value", "the loss there on all training rows"),
    ),
)  # fmt: skip
FITS = Table(
    "fits.csv",
    "fitted curves",
    (
        replace(RUN_COLUMN, meaning="the run; for `data` and `truth` a run on the data set"),
        Column(
            SERIES, "text", "key", "`data`: at most 300 training rows, evenly spread over all; `truth`: the curve they "
            "were drawn from, where the data know it; `fit`: what the trained model predicts at 50 places"
        ),
        Column(X, "number", "key", "the feature as the model is given it"),
        Column(Y, "number", "value", "the target, or the prediction"),
    ),
)  # fmt: skip
SAMPLES = Table(
    "samples.csv",
    "images with predictions",
    (
        OF_RUN,
        Column(ROW, "integer", "key", "the row within the validation rows, else the test rows, else the training rows"),
        Column(TARGET, "integer", "value", "the actual class"),
        Column(PREDICTION, "integer", "value", "the predicted class"),
        Column(PROBABILITY, "number", "value", "of the predicted class: the softmax of the scores"),
        Column(IMAGE, "integer", "key", "the name of its pixels in `images.npz`, [height, width, channels] from 0 to "
               "255, at most 48 a side"),
    ),
)  # fmt: skip
TABLES = {
    "results": RESULTS,
    "history": HISTORY,
    "matrices": MATRICES,
    "claims": CLAIMS,
    "surface": SURFACE,
    "fits": FITS,
    "samples": SAMPLES,
}


@dataclass(frozen=True)
class Metric:
    """What is measured again and again, as `history.csv` calls it; `split` is None for the loss of the batches."""

    name: str
    goal: Goal
    split: Split | None = None
    is_loss: bool = False

    @property
    def quantity(self) -> str:
        """What is measured, on whatever rows: `accuracy` of `valid.accuracy`."""
        return self.name.removeprefix(f"{self.split}.")


@dataclass(frozen=True)
class Matrix:
    """A metric that gives a matrix at the end of a run, as `matrices.csv` calls it, and the component that it is of."""

    name: str
    split: Split
    component: str


@dataclass(frozen=True)
class ClassNames:
    """What the classes of these runs' data are called, from class 0 on."""

    names: list[str]
    runs: list[str]


@dataclass(frozen=True)
class Comparison:
    """How the runs are ranked: by which metric, between which sections' alternatives, and on which problems.

    `metric` chooses the settings, by its final value, or by its best where `at` is "checkpoint". `reported`, a metric
    of the test rows, is what the chosen ones are ranked by; None: `metric` itself. A difference of at most `tolerance`
    is none in practice. `target` is a value of `target_metric`, which is better as `target_goal` says; None: `metric`
    and `goal`. `chosen_on_test`: the part that chooses is the official test part of a data set. `by` and
    `problems` are sections, `swept` the settings whose values are compared, `linked` groups of them of which no one
    varies while the others stay: they are drawn together, or share a tag. `curves` are the metrics that are drawn over
    the steps; none for those that suit. `candidates` are the alternatives that a report says most about.
    """

    metric: str
    goal: Goal
    reported: str | None = None
    at: Literal["final", "checkpoint"] = "final"
    tolerance: float = 0.0
    target: float | None = None
    target_metric: str | None = None
    target_goal: Goal | None = None
    baseline: str | None = None
    by: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)
    linked: list[list[str]] = field(default_factory=list)
    chosen_on_test: bool = False
    curves: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)

    @property
    def by_time(self) -> bool:
        """Whether runs are compared by the steps that they take to the target."""
        return self.metric == STEPS_TO_TARGET

    @property
    def aim(self) -> tuple[str, Goal]:
        """The metric of which the target is, and whether less or more of it is better."""
        return self.target_metric or self.metric, self.target_goal or self.goal

    @property
    def measured(self) -> tuple[str, Goal]:
        """The metric that runs measure and that decides which is better, if only by when it reaches the target."""
        return self.aim if self.by_time else (self.metric, self.goal)


@dataclass(frozen=True)
class ResultsSchema:
    """What one folder holds: its tables, what was measured, what is compared and what was planned.

    `stages` are the numbers of planned runs; `problems` the planned problems, each as the labels of the sections in
    `comparison.problems`. `by_problem` is the comparison on each of those that the spec lists, by its label: each may
    have a metric and a target of its own. `classes` has the names of classes, where the data tell them, with the runs
    whose matrices and images they are of. `shared` has the groups of runs with the same data (for fits), and with the
    same data, model and loss (for surfaces), whatever these are called.
    """

    comparison: Comparison
    stages: dict[Stage, int] = field(default_factory=dict)
    problems: list[list[str]] = field(default_factory=list)
    by_problem: dict[str, Comparison] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    classes: list[ClassNames] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=lambda: dict(TABLES))
    shared: dict[str, list[list[str]]] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of `results.csv`."""
        return self.tables["results"].columns

    def names(self, *roles: Role) -> list[str]:
        """Return the columns of `results.csv` that have one of these roles."""
        return [column.name for column in self.columns if column.role in roles]

    @property
    def planned(self) -> int:
        """How many runs were planned, without the shorter ones of a search; 0 where that is not known."""
        return sum(number for stage, number in self.stages.items() if stage != SCREEN)

    @property
    def goals(self) -> dict[str, Goal]:
        """Whether less or more is better, by metric."""
        return {metric.name: metric.goal for metric in self.metrics}

    @property
    def compared_metrics(self) -> list[str]:
        """The metrics that have a final value."""
        return [column.metric for column in self.columns if column.moment == "final" and column.metric]

    def metric(self, name: str) -> Metric | None:
        """Return what is known of a metric."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def group_of(self, kind: str) -> dict[str, int]:
        """Return the number of the group of `shared` in which each run is."""
        return {run: i for i, runs in enumerate(self.shared.get(kind, [])) for run in runs}

    def class_names(self, runs: Iterable[str]) -> list[str]:
        """Return the names of the classes from 0 on, where all of these runs have the same; else none."""
        names = {run: known.names for known in self.classes for run in known.runs}
        first, *others = [names.get(run, []) for run in runs] or [[]]
        return first if all(other == first for other in others) else []

    def with_columns(self, columns: Iterable[Column]) -> ResultsSchema:
        """Return the schema with these columns of `results.csv`."""
        return replace(self, tables={**self.tables, "results": replace(RESULTS, columns=tuple(columns))})

    def as_json(self) -> dict[str, Any]:
        """Return plain values, as they stand in `tables.json`."""
        first = ("schema", "stages", "comparison", "problems")
        content = asdict(self, dict_factory=lambda items: {key: value for key, value in items if value is not None})
        absent = [] if self.by_problem else ["by_problem"]
        return {key: content[key] for key in dict.fromkeys([*first, *content]) if key not in absent}


class SchemaError(ValueError):
    """The content of a `tables.json` is not what this version can read."""


class NewerSchemaError(SchemaError):
    """A newer version has written a `tables.json`."""


def read_schema(content: Any) -> ResultsSchema:
    """Return the schema of which `as_json` made plain values; keys that are not known are passed over.

    Raises NewerSchemaError for a larger schema number, and SchemaError that names what is wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    number = content.get("schema") if isinstance(content, dict) else None
    if isinstance(number, int) and number > SCHEMA:
        raise NewerSchemaError(f"written by a newer xprun (schema {number}; this one reads up to {SCHEMA})")
    try:
        return TypeAdapter(ResultsSchema).validate_python(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        message = f"{wrong['msg'][0].lower()}{wrong['msg'][1:]}"
        raise SchemaError(f"{place}: {message}" if place else message) from error


def section_column(section: str) -> Column:
    return replace(SECTION_COLUMN, name=section, section=section)


def setting_column(name: str, section: str, type: Type = "mixed", *, swept: bool = False) -> Column:
    return replace(SETTING_COLUMN, name=name, section=section, type=type, swept=swept)


def repeat_column(name: str, section: str, type: Type = "integer") -> Column:
    return replace(REPEAT_COLUMN, name=name, section=section, type=type)


def metric_of(split: Split, name: str, goal: Goal) -> Metric:
    """Return a metric as it is measured on the rows of a split."""
    return Metric(f"{split}.{name}", goal, split, is_loss=name in LOSSES)


def matrix_of(split: Split, name: str, component: str) -> Matrix:
    """Return a matrix as it is measured on the rows of a split."""
    return Matrix(f"{split}.{name}", split, component)


def metric_columns(metrics: list[Metric], *, kept: bool = False) -> list[Column]:
    """Return the columns of the final values, then those of the best, and where one is `kept`, of the checkpoint."""

    def column(pattern: Column, moment: Moment, name: str, metric: Metric) -> Column:
        return replace(pattern, name=name, moment=moment, metric=metric.name, goal=metric.goal, split=metric.split)

    finals = [column(FINAL_COLUMN, "final", final(metric.name), metric) for metric in metrics]
    bests = [column(BEST_COLUMN, "best", best(metric.name), metric) for metric in metrics if metric.split != TEST]
    reported = [metric for metric in metrics if metric.split == TEST and kept]
    return [
        *finals,
        *bests,
        *(column(CHECKPOINT_COLUMN, "checkpoint", checkpoint(metric.name), metric) for metric in reported),
    ]


def parameter_column(name: str) -> Column:
    return replace(PARAMETER_COLUMN, name=parameter(name))


def reference_column(name: str) -> Column:
    return replace(REFERENCE_COLUMN, name=reference(name))


def final(metric: str) -> str:
    """Return the column of the last value of a metric."""
    return FINAL + metric


def best(metric: str) -> str:
    """Return the column of the best value of a metric."""
    return BEST + metric


def checkpoint(metric: str) -> str:
    """Return the column of a metric of the checkpoint that is kept."""
    return CHECKPOINT + metric


def is_of_test(metric: str) -> bool:
    """Whether a metric is measured on the test rows."""
    return metric.startswith(f"{TEST}.")


def is_of_step(metric: str) -> bool:
    """Whether a metric of the history is told of the steps, and not measured between them."""
    return metric in LOSSES or metric.startswith((PARAMETER, GRADIENT))


def parameter(name: str) -> str:
    """Return the column, or the metric of the history, of a parameter."""
    return PARAMETER + name


def reference(name: str) -> str:
    """Return the column of what is known in closed form of a metric or a parameter's column."""
    return REFERENCE + name


def parameter_name(column: str) -> str:
    """Return what a model calls the parameter of a column."""
    return column.removeprefix(PARAMETER)
