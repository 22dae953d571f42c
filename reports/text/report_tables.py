"""The tables of a report, as text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison
from xprun.reports.presentation.formatting import (
    NONE,
    Column,
    Listing,
    exact,
    intervals,
    listing,
    numbers,
    setting_texts,
    short_names,
    texts,
)
from xprun.reports.stats.closed_form import reference_value
from xprun.reports.stats.steps_to_target import amortised
from xprun.runner.results.results_schema import (
    REASON,
    RUN,
    SECONDS,
    SEED,
    STATUS,
    STATUSES,
    STEPS,
    VALUE,
    parameter_name,
)

RUNS_SHOWN = 5000
SETTINGS_SHOWN = 500
TROUBLED_SHOWN = 50
PARAMETERS_SHOWN = 8


@dataclass(frozen=True)
class Span:
    """Where seeds, their mean and its interval lie on an axis from 0 to 100 that all rows of a ranking share."""

    mean: float
    low: float
    high: float
    seeds: list[float]


def ranking_listing(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row an alternative at its best setting."""
    shared = bool(amortised(judged).loc[ranking.index].any())
    columns = [
        exact("rank", ranking["rank"]),
        texts("alternative", _marked(ranking["alternative"], comparison.baseline)),
        *_averages(ranking),
        *_spread(ranking, ends=False),
        *([texts("best setting", setting_texts(ranking, comparison.keys))] if comparison.keys else []),
        Column("failed or diverged", _of(ranking["all_bad"], ranking["all_runs"]), number=True),
        numbers("seconds, amortised" if shared else "seconds", ranking[SECONDS], digits=3),
    ]
    return listing(columns)


def spans(judged: pd.DataFrame, ranking: pd.DataFrame) -> list[Span | None]:
    """For each row of a ranking where its values lie between the lowest and the highest; None without a mean."""
    low, high = ranking["low"].min(), ranking["high"].max()
    if not high > low:
        return [None] * len(ranking)
    groups = judged.groupby("setting")[VALUE]

    def places(values: Any) -> list[float]:
        return [round((value - low) / (high - low) * 100, 2) for value in values]

    def span(setting: Any, facts: Any) -> Span:
        mean, interval_low, interval_high = places(facts)
        return Span(mean, interval_low, interval_high, places(groups.get_group(setting)))

    facts = ranking[["mean", "mean_low", "mean_high"]]
    pairs = zip(facts.index, facts.to_numpy(), strict=True)
    return [None if np.isnan(row[0]) else span(setting, row) for setting, row in pairs]


def settings_listing(summary: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row a setting, best first."""
    columns = [
        texts("alternative", summary["alternative"]),
        *_keys(summary, comparison.keys),
        *_averages(summary),
        numbers("median", summary["median"]),
        numbers("IQM", summary["iqm"]),
        intervals("95% interval of the IQM", summary["iqm_low"], summary["iqm_high"]),
        *_spread(summary),
        texts("ended", _statuses(summary)),
    ]
    return listing(columns, SETTINGS_SHOWN)


def parameter_listing(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> Listing:
    """The final parameters of tiny models: mean and sd over the seeds, at each alternative's best setting.

    The last row holds those of least squares, where they are known.
    """
    names = comparison.schema.names("parameter")
    if not 0 < len(names) <= PARAMETERS_SHOWN:
        return listing([])
    groups = judged.groupby("setting")[names]
    mean, sd = groups.mean().loc[ranking.index], groups.std().loc[ranking.index]
    rows = list(ranking["alternative"])
    if None not in (exactly := [reference_value(judged, name) for name in names]):
        mean.loc[-1], sd.loc[-1] = exactly, float("nan")
        rows.append("least squares")
    pairs = [(parameter_name(name), mean[name], sd[name]) for name in names]
    columns = [column for name, m, s in pairs for column in (numbers(name, m), numbers(f"{name} sd", s))]
    return listing([texts("alternative", rows), *columns])


def troubled_listing(judged: pd.DataFrame, comparison: Comparison) -> Listing:
    """Return the failed and diverged runs, in the order of the table."""
    runs = judged[judged["bad"]]
    columns = [
        texts("run", runs[RUN]),
        texts("alternative", runs["alternative"]),
        *_keys(runs, comparison.keys),
        exact("seed", runs[SEED]),
        texts("status", runs[STATUS]),
        exact("steps", runs[STEPS]),
        texts("reason", runs[REASON]),
    ]
    return listing(columns, TROUBLED_SHOWN)


def runs_listing(judged: pd.DataFrame, comparison: Comparison) -> Listing:
    """Every run, in the order of the table."""
    measured = comparison.schema.names("metric", "parameter")
    columns = [
        texts("run", judged[RUN]),
        texts("alternative", judged["alternative"]),
        *_keys(judged, comparison.keys),
        exact("seed", judged[SEED]),
        texts("status", judged[STATUS]),
        exact("steps", judged[STEPS]),
        numbers("seconds", judged[SECONDS], digits=3),
        *(numbers(name.replace(".", " ", 1), judged[name]) for name in measured),
    ]
    return listing(columns, RUNS_SHOWN)


def environment_listing(environment: dict[str, Any]) -> Listing:
    """Every recorded fact, nested ones under dotted names."""
    facts = list(_flat(environment))
    return listing([texts("", [name for name, _ in facts]), texts(" ", [value for _, value in facts])])


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in facts.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", _fact(value))]
    return found


def _fact(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_fact, value)) or NONE
    return NONE if value is None else str(value)


def _averages(table: pd.DataFrame) -> list[Column]:
    """The mean and its interval."""
    return [numbers("mean", table["mean"]), intervals("95% interval", table["mean_low"], table["mean_high"])]


def _spread(table: pd.DataFrame, *, ends: bool = True) -> list[Column]:
    """Sd, range and number of seeds."""
    return [
        numbers("sd", table["sd"], digits=2),
        *([intervals("low to high", table["low"], table["high"])] if ends else []),
        Column("n", _of(table["n"], table["runs"], only_if_less=True), number=True),
    ]


def _keys(table: pd.DataFrame, keys: list[str]) -> list[Column]:
    return [exact(name, table[key]) for key, name in short_names(keys).items()]


def _of(part: pd.Series, whole: pd.Series, *, only_if_less: bool = False) -> list[str]:
    pairs = zip(part, whole, strict=True)
    return [str(a) if only_if_less and a == b else f"{a} of {b}" for a, b in pairs]


def _statuses(summary: pd.DataFrame) -> list[str]:
    rows = summary[list(STATUSES)].itertuples(index=False)
    return [", ".join(f"{n} {status}" for status, n in zip(STATUSES, row, strict=True) if n) for row in rows]


def _marked(names: pd.Series, baseline: str | None) -> list[str]:
    return [f"{name} (baseline)" if name == baseline else name for name in names]
