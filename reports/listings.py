"""The tables of a report, as text."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from xprun.reports.cells import (
    NONE,
    Column,
    Listing,
    decimals,
    exact,
    listing,
    numbers,
    setting_texts,
    short_names,
    texts,
)
from xprun.reports.comparison import Comparison
from xprun.reports.floor import reference_value
from xprun.reports.statistics import STATUSES

RUNS_SHOWN = 200
SETTINGS_SHOWN = 500
TROUBLED_SHOWN = 50
PARAMETERS_SHOWN = 8


@dataclass(frozen=True)
class Span:
    """Where a range and its mean lie on an axis from 0 to 100 that all rows of a ranking share."""

    low: float
    mean: float
    high: float


def ranking_listing(ranking: pd.DataFrame, comparison: Comparison, to_target: pd.Series | None) -> Listing:
    """One row an alternative at its best setting. `to_target`: median steps by setting, or None."""
    columns = [
        exact("rank", ranking["rank"]),
        texts("alternative", _marked(ranking["alternative"], comparison.baseline)),
        *_spread(ranking),
        *([texts("best setting", setting_texts(ranking, comparison.keys))] if comparison.keys else []),
        *([exact("steps to target", ranking.index.to_series().map(to_target))] if to_target is not None else []),
        Column("not ended well", _of(ranking["all_bad"], ranking["all_runs"]), number=True),
        numbers("seconds", ranking["seconds"], digits=3),
    ]
    return listing(columns)


def spans(ranking: pd.DataFrame) -> list[Span | None]:
    """For each row of a ranking where its values lie between the lowest and the highest; None without a mean."""
    low, high = ranking["low"].min(), ranking["high"].max()
    if not high > low:
        return [None] * len(ranking)
    places = ((ranking[["low", "mean", "high"]] - low) / (high - low) * 100).round(2)
    return [None if row.mean != row.mean else Span(*row) for row in places.itertuples(index=False)]


def settings_listing(summary: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row a setting, best first."""
    columns = [
        texts("alternative", summary["alternative"]),
        *_keys(summary, comparison.keys),
        *_spread(summary),
        texts("ended", _statuses(summary)),
    ]
    return listing(columns, SETTINGS_SHOWN)


def parameter_listing(judged: pd.DataFrame, ranking: pd.DataFrame) -> Listing:
    """The final parameters of tiny models: mean and sd over the seeds, at each alternative's best setting.

    The last row holds those of least squares, where they are known.
    """
    names = [name for name in judged.columns if name.startswith("param.")]
    if not 0 < len(names) <= PARAMETERS_SHOWN:
        return listing([])
    groups = judged.groupby("setting")[names]
    mean, sd = groups.mean().loc[ranking.index], groups.std().loc[ranking.index]
    rows = list(ranking["alternative"])
    if None not in (exactly := [reference_value(judged, name) for name in names]):
        mean.loc[-1], sd.loc[-1] = exactly, float("nan")
        rows.append("least squares")
    pairs = [(name.removeprefix("param."), mean[name], sd[name]) for name in names]
    columns = [column for name, m, s in pairs for column in (numbers(name, m), numbers(f"{name} sd", s))]
    return listing([texts("alternative", rows), *columns])


def troubled_listing(judged: pd.DataFrame, comparison: Comparison) -> Listing:
    """The runs that did not end well, in the order of the table."""
    runs = judged[judged["bad"]]
    columns = [
        texts("run", runs["run"]),
        texts("alternative", runs["alternative"]),
        *_keys(runs, comparison.keys),
        exact("seed", runs["seed"]),
        texts("status", runs["status"]),
        exact("steps", runs["steps"]),
        texts("reason", runs["reason"]),
    ]
    return listing(columns, TROUBLED_SHOWN)


def runs_listing(judged: pd.DataFrame, comparison: Comparison) -> Listing:
    """Every run, in the order of the table."""
    measured = [name for name in judged.columns if name.startswith(("final.", "best.", "param."))]
    columns = [
        texts("run", judged["run"]),
        texts("alternative", judged["alternative"]),
        *_keys(judged, comparison.keys),
        exact("seed", judged["seed"]),
        texts("status", judged["status"]),
        exact("steps", judged["steps"]),
        numbers("seconds", judged["seconds"], digits=3),
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


def _spread(table: pd.DataFrame) -> list[Column]:
    """Mean, sd, range and number of seeds. The range is written with the decimals of the mean."""
    show = decimals(pd.concat([table["low"], table["high"]]))
    return [
        Column("mean", [show(value) for value in table["mean"]], number=True),
        numbers("sd", table["sd"], digits=2),
        Column("low", [show(value) for value in table["low"]], number=True),
        Column("high", [show(value) for value in table["high"]], number=True),
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
