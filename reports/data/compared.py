"""What is compared, by which metric: read from `resolved.json`, and guessed from the tables where that is absent."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from xprun.reports.data.results_folder import Tables, metrics, sections, settings
from xprun.reports.presentation.report_errors import ReportError


@dataclass(frozen=True)
class Comparison:
    """The question a report answers.

    `by`: the sections whose labels make an alternative. `problems`: the sections whose labels make a problem, on which
    alternatives are compared. `keys`: the other columns that tell one setting of an alternative from another, swept
    settings first; the sections of `problems` are among them.
    """

    metric: str
    goal: str
    target: float | None
    baseline: str | None
    by: list[str]
    keys: list[str]
    problems: list[str] = field(default_factory=list)

    @property
    def ascending(self) -> bool:
        """Whether a smaller value is better."""
        return self.goal == "min"


def read_comparison(tables: Tables) -> Comparison:
    """The comparison of a folder. `ReportError` where its metric or its sections are not in the tables."""
    stated: dict[str, Any] = tables.resolved.get("compare") or {}
    by = stated.get("by") or _sections_compared(tables.runs)
    _check("compare.by", by, sections(tables.runs))
    metric = stated.get("metric") or "loss"
    _check("compare.metric", [metric], metrics(tables.runs))
    return Comparison(
        metric=metric,
        goal=stated.get("goal") or "min",
        target=stated.get("target"),
        baseline=stated.get("baseline"),
        by=by,
        keys=keys_of(tables, by),
        problems=[name for name in _that_differ(tables.runs) if name not in by],
    )


def keys_of(tables: Tables, by: list[str]) -> list[str]:
    """Swept settings, then whatever else varies within an alternative: no two settings pass as one."""
    runs, swept = tables.runs, tables.resolved.get("swept") or []
    others = [name for name in sections(runs) if name not in by]
    candidates = list(dict.fromkeys([*(name for name in swept if name in runs), *others, *settings(runs)]))
    varies = runs.groupby(by, sort=False)[candidates].nunique(dropna=False).gt(1).any()
    return [name for name in candidates if varies[name]]


def _check(name: str, wanted: list[str], known: list[str]) -> None:
    for column in wanted:
        if column not in known:
            raise ReportError(f"results.csv: {name} is {column!r}, which is not there; it has {', '.join(known)}")


def _sections_compared(runs: pd.DataFrame) -> list[str]:
    """The sections that differ; not the data, on which others are compared, where others differ, too."""
    present, several = sections(runs), _that_differ(runs)
    if not present:
        raise ReportError("results.csv: no column names an alternative, such as 'optimizer'")
    others = [name for name in several if name != "data"]
    return others or several or [name for name in present if name == "optimizer"] or present[:1]


def _that_differ(runs: pd.DataFrame) -> list[str]:
    return [name for name in sections(runs) if runs[name].nunique() > 1]
