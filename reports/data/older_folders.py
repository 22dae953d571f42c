"""What a folder of the first version, without `tables.json`, holds: here alone columns are known by their names.

Folders that somebody made by hand are read in the same way.
"""

import json
from itertools import product
from typing import Any

import pandas as pd
from xprun.reports.presentation.report_errors import ReportError
from xprun.runner.results.results_schema import (
    BEST,
    ENDING_COLUMNS,
    FINAL,
    LOSS,
    METRIC,
    PARAMETER,
    REFERENCE,
    RESULTS,
    RUN,
    RUN_COLUMN,
    SEARCH,
    SEED_COLUMN,
    SHARED,
    SPLITS,
    TARGET,
    Column,
    Comparison,
    Goal,
    Matrix,
    Metric,
    ResultsSchema,
    metric_columns,
    parameter_column,
    reference_column,
    section_column,
    setting_column,
)

DOT = "."
IGNORED = "batch_size"  # says how rows are gone through, and not which there are
CONFUSION = "confusion"


def guess_schema(cells: pd.DataFrame, resolved: dict[str, Any]) -> ResultsSchema:
    """The schema of a folder, from the cells of its `results.csv` as text, and from `resolved.json` where it is there.

    `ReportError` where no column can be what is compared.
    """
    names = list(map(str, cells))
    metrics = _metrics(names, resolved)
    columns = _columns(names, metrics, resolved)
    comparison = _comparison(cells, [column.name for column in columns if column.role == "section"], resolved)
    return ResultsSchema(
        schema=1,
        comparison=comparison,
        stages={SEARCH: resolved["runs"]} if resolved.get("runs") else {},
        problems=_problems(cells, comparison, resolved),
        metrics=metrics,
        matrices=_matrices(resolved),
        shared={kind: _shared(cells, sections, resolved) for kind, sections in SHARED.items()},
    ).with_columns(columns)


def _metrics(names: list[str], resolved: dict[str, Any]) -> list[Metric]:
    goals = {_label(one): one.get("goal", "min") for one in _asked_metrics(resolved)}
    found = {name.removeprefix(moment): None for moment in (FINAL, BEST) for name in names if name.startswith(moment)}
    metrics = []
    for name in found:
        split, _, rest = name.partition(DOT)
        label = rest if split in SPLITS else name
        goal: Goal = "max" if goals.get(label) == "max" else "min"
        metrics.append(Metric(name, goal, split if split in SPLITS else None, is_loss=label == LOSS))
    return metrics


def _columns(names: list[str], metrics: list[Metric], resolved: dict[str, Any]) -> list[Column]:
    """What each column is, by its name."""
    known = {column.name: column for column in (RUN_COLUMN, SEED_COLUMN, *ENDING_COLUMNS, *metric_columns(metrics))}
    swept = resolved.get("swept") or []

    def column(name: str) -> Column:
        for prefix, made in ((PARAMETER, parameter_column), (REFERENCE, reference_column)):
            if name.startswith(prefix):
                return made(name.removeprefix(prefix))
        section, dot, _ = name.partition(DOT)
        return setting_column(name, section, swept=name in swept) if dot else section_column(name)

    return [known.get(name) or column(name) for name in names]


def _matrices(resolved: dict[str, Any]) -> list[Matrix]:
    labels = {_label(one): str(one.get("name")) for one in _asked_metrics(resolved) if one.get("name") == CONFUSION}
    found = labels or {CONFUSION: CONFUSION}
    return [Matrix(f"{split}{DOT}{label}", split, name) for split in SPLITS for label, name in found.items()]


def _asked_metrics(resolved: dict[str, Any]) -> list[dict[str, Any]]:
    run = (resolved.get("spec") or {}).get(RUN)
    return _tables(run.get("metrics")) if isinstance(run, dict) else []


def _tables(written: Any) -> list[dict[str, Any]]:
    return [one for one in written if isinstance(one, dict)] if isinstance(written, list) else []


def _label(table: dict[str, Any]) -> str:
    return str(table.get("label") or table.get("name"))


def _comparison(cells: pd.DataFrame, sections: list[str], resolved: dict[str, Any]) -> Comparison:
    if not sections:
        raise ReportError(f"{RESULTS.file}: no column names an alternative, such as 'optimizer'")
    stated: dict[str, Any] = resolved.get("compare") or {}
    several = [name for name in sections if cells[name].nunique() > 1]
    by = stated.get("by") or _compared(sections, several)
    problems = stated.get("problems")
    return Comparison(
        metric=stated.get(METRIC) or LOSS,
        goal=stated.get("goal") or "min",
        reported=stated.get("reported"),
        at=stated.get("at") or "final",
        tolerance=stated.get("tolerance") or 0.0,
        chosen_on_test=bool(stated.get("chosen_on_test")),
        target=stated.get(TARGET),
        baseline=stated.get("baseline"),
        by=by,
        problems=[name for name in several if name not in by] if problems is None else problems,
        swept=resolved.get("swept") or [],
    )


def _compared(sections: list[str], several: list[str]) -> list[str]:
    """The sections that differ; not the data, on which others are compared, where others differ, too."""
    others = [name for name in several if name != "data"]
    return others or several or [name for name in sections if name == "optimizer"] or sections[:1]


def _problems(cells: pd.DataFrame, comparison: Comparison, resolved: dict[str, Any]) -> list[list[str]]:
    """The planned problems: those that are there and, where runs are missing, all that the alternatives make."""
    sections = [name for name in comparison.problems if name in cells]
    there = [list(labels) for labels in cells[sections].drop_duplicates().to_numpy()] if sections else []
    if len(cells) >= (resolved.get("runs") or 0):
        return there
    labels = [list(_components(resolved, name)) or list(cells[name].unique()) for name in sections]
    return [list(problem) for problem in product(*labels)] if sections else []


def _shared(cells: pd.DataFrame, sections: tuple[str, ...], resolved: dict[str, Any]) -> list[list[str]]:
    """The runs whose components of these sections are the same, with their settings."""
    parts = {name: name.partition(DOT) for name in map(str, cells)}
    columns = [name for name, (section, _, setting) in parts.items() if section in sections and setting != IGNORED]
    facts = [cells[name].replace(_components(resolved, name)) for name in columns]
    facts += [cells["run.dtype"]] if "run.dtype" in cells else []
    keys = list(map(str, zip(*facts, strict=True))) if facts else [""] * len(cells)
    return [list(runs) for _, runs in cells[RUN].groupby(keys, sort=False)]


def _components(resolved: dict[str, Any], section: str) -> dict[str, str]:
    """By label, what the alternatives of a section are beside their labels."""
    found = {}
    for one in _tables((resolved.get("spec") or {}).get(section)):
        settings = {key: value for key, value in (one.get("settings") or {}).items() if key != IGNORED}
        found[_label(one)] = json.dumps([one.get("name"), settings], sort_keys=True)
    return found
