"""Reads an output folder back: two tidy tables, the schema of them, and what is recorded beside them."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict
from xprun.reports.data.described_data import DataSet, read_data_sets
from xprun.reports.data.described_models import ModelGraph, read_graphs
from xprun.reports.data.older_folders import guess_schema
from xprun.reports.presentation.report_errors import NewerFolderError, ReportError
from xprun.runner.results import results_schema
from xprun.runner.results.results_schema import (
    CLAIMS,
    DATA_FILE,
    DEVICE,
    ENGINE,
    EPOCH,
    FITS,
    HISTORY,
    HOST,
    MATRICES,
    METRIC,
    MODELS_FILE,
    PLACE,
    PROBLEM,
    RESULTS,
    RUN,
    SAMPLES,
    SCREEN,
    SEARCH,
    STAGE,
    SURFACE,
    THREADS,
    TOGETHER,
    TORCH,
    VALUE,
    NewerSchemaError,
    ResultsSchema,
    SchemaError,
    Table,
    Type,
    read_schema,
)

PANDAS: dict[Type, str] = {"text": "str", "integer": "int64", "number": "float64"}
MISSING = ["", "nan", "NaN"]
# Columns that older folders lack, or those of specs that list no problems.
LATER = (PROBLEM, STAGE, TOGETHER, ENGINE, TORCH, HOST, DEVICE, THREADS)


class _Compare(TypedDict, total=False):
    metric: str | None
    goal: Literal["min", "max"] | None
    reported: str | None
    at: Literal["final", "checkpoint"] | None
    tolerance: float | None
    chosen_on_test: bool | None
    target: float | None
    target_metric: str | None
    baseline: str | None
    by: list[str] | None
    problems: list[str] | None


class _Resolved(TypedDict, total=False):
    name: str | None
    title: str | None
    runs: int | None
    swept: list[str] | None
    compare: _Compare | None
    spec: dict[str, Any] | None
    problems: list[dict[str, Any]] | None
    defaults: dict[str, dict[str, Any]] | None


RESOLVED = TypeAdapter(_Resolved)

# pandas 2 reads every third number as its neighbour unless it is asked not to; later ones read what is written.
EXACTLY: Any = {"float_precision": "round_trip"} if pd.__version__.startswith("2.") else {}


@dataclass(frozen=True)
class Tables:
    """What a folder holds.

    `schema`: what each column of `runs` is, what is compared, and what was planned. `runs`: one row a run and label;
    texts, integers and floats as the schema has them, NaN where there is none; settings whatever their values are.
    `history`: `run` and `metric` categories, `step` an integer from 1, `epoch` and `value` floats (perhaps nan, inf).
    `claims`: what the spec expects, as text; empty where it expects nothing, or where runs are missing.
    `surface`: `run`, parameters and `loss` there. `matrices`, `fits` and `samples`: see the schema; `image` in
    `samples` is the name of its pixels [H, W, C] in `images`. `data_sets`: what the data are; `graphs`: of the
    models. All are empty where there are none.
    """

    runs: pd.DataFrame
    schema: ResultsSchema
    history: pd.DataFrame = field(default_factory=lambda: _empty(HISTORY))
    resolved: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    spec: str = ""
    models: str = ""
    claims: pd.DataFrame = field(default_factory=lambda: _empty(CLAIMS))
    surface: pd.DataFrame = field(default_factory=lambda: _empty(SURFACE))
    matrices: pd.DataFrame = field(default_factory=lambda: _empty(MATRICES))
    fits: pd.DataFrame = field(default_factory=lambda: _empty(FITS))
    samples: pd.DataFrame = field(default_factory=lambda: _empty(SAMPLES))
    images: dict[str, np.ndarray] = field(default_factory=dict)
    data_sets: list[DataSet] = field(default_factory=list)
    graphs: list[ModelGraph] = field(default_factory=list)


def read_tables(folder: Path) -> Tables:
    """The tables of `folder`. `ReportError` names the file, and the column, that is missing or damaged."""
    results = read_results(folder)
    return replace(
        results,
        history=_of_runs(read_history(folder / HISTORY.file), results),
        environment=_read_json(folder / "environment.json"),
        spec=_read_text(folder / "spec.toml"),
        models=_read_text(folder / "models.txt"),
        claims=read_claims(folder / CLAIMS.file),
        surface=_read_optional(folder, SURFACE),
        matrices=_read_optional(folder, MATRICES),
        fits=_read_optional(folder, FITS),
        samples=_read_optional(folder, SAMPLES),
        images=_read_images(folder / "images.npz"),
        data_sets=read_data_sets(folder / DATA_FILE),
        graphs=read_graphs(folder / MODELS_FILE),
    )


def read_results(folder: Path) -> Tables:
    """The runs of `folder` and what was asked of them; its history, which may be long, stays empty."""
    resolved, path = read_resolved(folder / "resolved.json"), folder / RESULTS.file
    columns = _header(path, [name for name in RESULTS.fixed if name not in LATER])
    schema = read_folder_schema(folder, columns, resolved)
    return Tables(read_runs(path, schema), schema, resolved=resolved)


def read_folder_schema(folder: Path, columns: list[str], resolved: dict[str, Any]) -> ResultsSchema:
    """What the `columns` of `results.csv` are, as `tables.json` says; in a folder of the first version, as they look.

    `NewerFolderError` where a newer version has written it.
    """
    path = folder / results_schema.FILE
    if not path.is_file():
        return guess_schema(_read_csv(folder / RESULTS.file, "str", {}), resolved)
    try:
        schema = read_schema(_read_json(path))
    except NewerSchemaError as error:
        raise NewerFolderError(f"{folder}: {error}") from error
    except SchemaError as error:
        raise ReportError(f"{path}: {error}") from error
    return schema.with_columns(column for column in schema.columns if column.name in columns)


def read_resolved(path: Path) -> dict[str, Any]:
    """What was planned and asked, with the types that reports rely on."""
    resolved = _read_json(path)
    try:
        RESOLVED.validate_python(resolved, strict=True)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        raise ReportError(f"{path}: {place}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}") from error
    return resolved


def read_runs(path: Path, schema: ResultsSchema) -> pd.DataFrame:
    """One row a run and label, with the types that `Tables` states. A label such as `NA` stays text.

    The shorter runs of a search are left out: what they reached in a part of the time is no result of a setting.
    """
    types = {column.name: PANDAS[column.type] for column in schema.columns if _has_one_type(column)}
    texts = {column.name for column in schema.columns if column.type == "text" and column.role != "setting"}
    missing = {name: MISSING for name in _header(path, []) if name not in texts}
    runs = _read_csv(path, types, missing)
    if STAGE in runs:
        runs = runs[runs[STAGE] != SCREEN].reset_index(drop=True)
    if runs.empty:
        raise ReportError(f"{path}: no runs yet, so there is nothing to report")
    labels = [RUN, *(column.name for column in schema.columns if column.role in ("section", "setting"))]
    if (twice := runs.duplicated(labels)).any():
        raise ReportError(f"{path}: column {RUN!r}: {runs[RUN][twice].iloc[0]!r} is there twice with the same labels")
    runs = runs.copy()  # in few blocks: as it is read it has one a column, and pandas warns whoever adds to many
    runs = runs.assign(**{name: _all_as_meant(runs[name]) for name in text_columns(runs)})
    return runs if STAGE in runs else runs.assign(**{STAGE: SEARCH})


def _has_one_type(column: results_schema.Column) -> bool:
    """Whether a column is read as its type says; settings that some alternatives lack are as pandas reads them."""
    return column.type in PANDAS and (column.role != "setting" or column.type == "text")


def text_columns(table: pd.DataFrame) -> list[str]:
    """The columns that may hold texts, whatever type pandas, which is older or newer than 3, has for them."""
    return [str(name) for name in table if not pd.api.types.is_numeric_dtype(table[name])]


def _all_as_meant(column: pd.Series) -> pd.Series:
    """A column with its texts as they were meant; each is looked at once, however often it is there."""
    meant = {value: _as_meant(value) for value in column.unique()}
    return column.map(meant) if any(meant[value] is not value for value in meant) else column


def _as_meant(value: Any) -> Any:
    """A text without the `'` that keeps spreadsheets from taking it for a formula."""
    return value[1:] if isinstance(value, str) and re.match(r"'+[=+\-@\t\r]", value) else value


def read_history(path: Path) -> pd.DataFrame:
    """One row a run, step and metric. Categories keep five million rows in a few hundred megabytes."""
    _header(path, list(HISTORY.fixed))
    types = {name: PANDAS[type] for name, type in HISTORY.fixed.items()}
    table = _read_csv(path, types, {VALUE: MISSING, EPOCH: MISSING})
    return table.astype({RUN: "category", METRIC: "category"})  # read as such, pandas takes 007 for 7


def _of_runs(history: pd.DataFrame, results: Tables) -> pd.DataFrame:
    """The history of the runs that are read; where there is a shorter stage, it has others, too."""
    if SCREEN not in results.schema.stages:
        return history
    kept = history[history[RUN].isin(set(results.runs[RUN]))].reset_index(drop=True)
    return kept.assign(**{RUN: kept[RUN].cat.remove_unused_categories()})


def read_claims(path: Path) -> pd.DataFrame:
    """One row a claim, all text; none where there is no file."""
    if not path.is_file():
        return _empty(CLAIMS)
    _header(path, [name for name in CLAIMS.fixed if name != PLACE])
    return _read_csv(path, "str", {}).map(_as_meant)


def _read_optional(folder: Path, table: Table) -> pd.DataFrame:
    """A table that not every folder has; an empty one where it is not there."""
    path = folder / table.file
    if not path.is_file():
        return _empty(table)
    columns = _header(path, list(table.fixed))
    types = {name: PANDAS[table.fixed.get(name, "number")] for name in columns}
    return _read_csv(path, types, {name: MISSING for name in columns if types[name] != PANDAS["text"]})


def _empty(table: Table) -> pd.DataFrame:
    return pd.DataFrame(columns=list(table.fixed))


def _read_images(path: Path) -> dict[str, np.ndarray]:
    """The pixels [H, W, C] of each image by its name; none where there is no file."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as images:
            return {name: images[name] for name in images.files}
    except Exception as error:  # of numpy and of zip, which raise whatever a reader of rubbish meets
        raise ReportError(f"{path}: {error}") from error


def _header(path: Path, required: list[str]) -> list[str]:
    if not path.is_file():
        raise ReportError(f"{path}: no such file; a report is made from {RESULTS.file} and {HISTORY.file}")
    columns = list(_read_csv(path, None, {}, rows=0).columns)
    lacking = [name for name in required if name not in columns]
    if lacking:
        raise ReportError(f"{path}: no column {', '.join(map(repr, lacking))}; it has {', '.join(columns)}")
    return columns


def _read_csv(path: Path, types: Any, missing: dict[str, list[str]], rows: int | None = None) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(
            path,
            dtype=types,
            na_values=missing,
            keep_default_na=False,
            nrows=rows,
            encoding="utf-8",
            index_col=False,
            low_memory=False,  # or what a column without a type is would be guessed anew for each stretch of rows
            **EXACTLY,
        )
    except Exception as error:  # of pandas, for which there are many ways not to be a table
        raise ReportError(f"{path}: {error}") from error
    return table


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path) or "{}")
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ReportError(f"{path}: an object is expected, not {type(content).__name__}")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: {error}") from error
