"""What is compared in a folder, by which metric, and which columns tell one setting from another."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from xprun.reports.data.results_folder import Tables
from xprun.reports.presentation.report_errors import ReportError
from xprun.runner.results import results_schema
from xprun.runner.results.results_schema import (
    LOSS,
    RESULTS,
    ResultsSchema,
    alternative_label,
    best,
    checkpoint,
    compared_settings,
    final,
)


@dataclass(frozen=True)
class Comparison(results_schema.Comparison):
    """The question a report answers, as it was planned, about tables of a schema.

    `by`: the sections whose labels, and the settings whose values, make an alternative. `problems`: the sections whose
    labels make a problem, on which alternatives are compared. `keys`: the other columns that tell one setting of an
    alternative from another, swept settings first; the sections of `problems` are among them. `repeats`: the columns
    beside the seed in which the runs of one setting differ, such as the seed of a split.
    """

    schema: ResultsSchema = field(kw_only=True)
    keys: list[str] = field(kw_only=True)
    repeats: list[str] = field(kw_only=True, default_factory=list)

    @property
    def is_mixed(self) -> bool:
        """Whether it is over problems that are measured in different ways."""
        return bool(self.problems) and len({_measured(one) for one in self.schema.by_problem.values()}) > 1

    def on(self, problem: str) -> "Comparison":
        """The comparison on one of the problems: on a listed one, by a metric and a target of its own."""
        own = self.schema.by_problem.get(problem)
        if own is None:
            return self
        shared = ("by", "problems", "swept", "linked", "baseline", "candidates")
        return replace(self, **{name: value for name, value in vars(own).items() if name not in shared})

    @property
    def ascending(self) -> bool:
        """Whether a smaller value is better."""
        return self.goal == "min"

    @property
    def chosen_by(self) -> str:
        """The column by which settings are chosen."""
        return best(self.metric) if self.at == "checkpoint" else final(self.metric)

    @property
    def shown_column(self) -> str:
        """The column by which the chosen ones are ranked: of the test rows, where there are some."""
        if self.reported is None:
            return self.chosen_by
        return checkpoint(self.reported) if self.at == "checkpoint" else final(self.reported)

    @property
    def shown(self) -> str:
        """The metric by which the chosen ones are ranked."""
        return self.reported or self.metric

    @property
    def moment(self) -> str:
        """When that metric is taken, as it stands before its name: `final`, or `best`."""
        return "best" if self.at == "checkpoint" else "final"

    @property
    def chosen(self) -> str:
        """What chooses the settings, in words: `final valid.accuracy`."""
        return self.in_words(self.metric)

    def in_words(self, metric: str) -> str:
        """A metric that is compared with its moment; the steps to a target have none."""
        return metric if self.by_time else f"{self.moment} {metric}"

    @property
    def how_timed(self) -> str:
        """A sentence for captions: at which steps a run can be seen to reach the target."""
        interval = "interval at which the loss is recorded" if self.aim[0] == LOSS else "evaluation interval"
        return f"steps are multiples of the {interval}"

    @property
    def alternative_is(self) -> str:
        """What an alternative is, in words: `a labelled optimizer`, or `a value of model.hidden`."""
        settings = compared_settings(self.by)
        values = f"a value of {' and '.join(settings)}" if settings else ""
        sections = [name for name in self.by if name not in settings]
        return " at ".join(filter(None, [f"a labelled {' and '.join(sections)}" if sections else "", values]))

    @property
    def repeat(self) -> str:
        """What a block is called: a seed, or with several splits or folds a repeat."""
        return "repeat" if self.repeats else "seed"


def _measured(comparison: results_schema.Comparison) -> tuple[str | None, ...]:
    return comparison.metric, comparison.reported, comparison.goal, comparison.at


def read_comparison(tables: Tables) -> Comparison:
    """The comparison of a folder. `ReportError` where its metric or its sections are not in the tables."""
    schema, planned = tables.schema, tables.schema.comparison
    _check("compare.by", planned.by, schema.names("section", "setting"))
    _check("compare.problems", planned.problems, schema.names("section"))
    for one in schema.by_problem.values() or [planned]:
        _check("compare.metric", [one.metric], schema.compared_metrics)
    repeats = [name for name in schema.names("repeat") if tables.runs[name].nunique(dropna=False) > 1]
    shown = _shown_labels(tables.runs, planned.by)
    planned = replace(planned, baseline=shown.get(planned.baseline or "", planned.baseline))
    return Comparison(**vars(planned), schema=schema, keys=keys_of(tables, planned.by), repeats=repeats)


def keys_of(tables: Tables, by: list[str]) -> list[str]:
    """Swept settings, then whatever else varies within an alternative: no two settings pass as one."""
    runs, schema = tables.runs, tables.schema
    others = [name for name in schema.names("section") if name not in by]
    settings = schema.names("setting")
    swept = [name for name in schema.comparison.swept if name in settings]
    candidates = [name for name in dict.fromkeys([*swept, *others, *settings]) if name not in by]
    varies = runs.groupby(by, sort=False, dropna=False)[candidates].nunique(dropna=False).gt(1).any()
    return [name for name in candidates if varies[name]]


def joined_labels(runs: pd.DataFrame, by: list[str]) -> pd.Series:
    """The label that some sections, or settings, give to each run; once for each combination of their values."""
    group = runs.groupby(by, sort=False, dropna=False).ngroup()
    shown = _shown_labels(runs, by)
    return group.map(dict(zip(group.drop_duplicates(), shown.values(), strict=True))).astype("str")


def _shown_labels(runs: pd.DataFrame, by: list[str]) -> dict[str, str]:
    """By label, in the order of the runs, what is shown: numbers in four digits, where that tells all apart."""
    values = list(runs[by].drop_duplicates().itertuples(index=False, name=None))
    labels = [alternative_label(dict(zip(by, cells, strict=True)), by) for cells in values]
    short = [alternative_label(dict(zip(by, map(_short, cells), strict=True)), by) for cells in values]
    return dict(zip(labels, short if len(set(short)) == len(labels) else labels, strict=True))


def _short(value: Any) -> Any:
    """A number in the four digits that tables have."""
    return float(f"{value:.4g}") if isinstance(value, float) and math.isfinite(value) else value


def _check(name: str, wanted: list[str], known: list[str]) -> None:
    for column in wanted:
        if column not in known:
            raise ReportError(f"{RESULTS.file}: {name} is {column!r}, which is not there; it has {', '.join(known)}")
