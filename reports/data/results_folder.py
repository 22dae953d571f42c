"""Reads an output folder back: two tidy tables, and what is recorded beside them."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict
from xprun.reports.presentation.report_errors import ReportError

RUN_COLUMNS = ("run", "seed", "status", "reason", "steps", "epochs", "seconds")
OPTIONAL_COLUMNS = ("together",)  # how many runs were trained at once: about seconds, no setting
SURFACE_COLUMNS = ("run", "loss")
MATRIX_COLUMNS = ("run", "metric", "row", "column", "value")
FIT_COLUMNS = ("run", "series", "x", "y")
SAMPLE_COLUMNS = ("run", "row", "target", "prediction", "probability", "image")
HISTORY_TYPES = {"run": "str", "step": "int64", "epoch": "float64", "metric": "str", "value": "float64"}
NUMBERS = {"seed": "int64", "steps": "int64", "epochs": "float64", "seconds": "float64"}
TEXTS = ("run", "status", "reason")
MISSING = ["", "nan", "NaN"]
CLAIM_COLUMNS = ("claim", "verdict", "found")
MEASURED = ("final.", "best.", "param.", "reference.")


class _Compare(TypedDict, total=False):
    metric: str | None
    goal: Literal["min", "max"] | None
    target: float | None
    baseline: str | None
    by: list[str] | None


class _Resolved(TypedDict, total=False):
    name: str | None
    title: str | None
    runs: int | None
    swept: list[str] | None
    compare: _Compare | None


RESOLVED = TypeAdapter(_Resolved)


@dataclass(frozen=True)
class Tables:
    """What a folder holds.

    `runs`: one row a run; ids, section labels, status and reason are text, `steps` and `seed` integers, `final.*`,
    `best.*`, `param.*` and `reference.*` floats (NaN where there is none), settings whatever their values are.
    `history`: `run` and `metric` categories, `step` an integer from 1, `epoch` and `value` floats (perhaps nan, inf).
    `claims`: what the spec expects, as text; empty where it expects nothing, or where runs are missing.
    `surface`: `run`, parameters and `loss` there. `matrices`: `run`, `metric`, `row`, `column` and `value`. `fits`:
    `run`, `series` ("data", "truth" or "fit"), `x` and `y`. `samples`: `run`, `row`, `target`, `prediction`,
    `probability`, and in `image` the name of its pixels [H, W, C] in `images`. All are empty where there are none.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
    resolved: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    spec: str = ""
    models: str = ""
    claims: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CLAIM_COLUMNS)))
    surface: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SURFACE_COLUMNS)))
    matrices: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(MATRIX_COLUMNS)))
    fits: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FIT_COLUMNS)))
    samples: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SAMPLE_COLUMNS)))
    images: dict[str, np.ndarray] = field(default_factory=dict)


def read_tables(folder: Path) -> Tables:
    """The tables of `folder`. `ReportError` names the file, and the column, that is missing or damaged."""
    return replace(
        read_results(folder),
        history=read_history(folder / "history.csv"),
        environment=_read_json(folder / "environment.json"),
        spec=_read_text(folder / "spec.toml"),
        models=_read_text(folder / "models.txt"),
        claims=read_claims(folder / "claims.csv"),
        surface=_read_optional(folder / "surface.csv", SURFACE_COLUMNS),
        matrices=_read_optional(folder / "matrices.csv", MATRIX_COLUMNS),
        fits=_read_optional(folder / "fits.csv", FIT_COLUMNS),
        samples=_read_optional(folder / "samples.csv", SAMPLE_COLUMNS),
        images=_read_images(folder / "images.npz"),
    )


def read_results(folder: Path) -> Tables:
    """The runs of `folder` and what was asked of them; its history, which may be long, stays empty."""
    history = pd.DataFrame(columns=list(HISTORY_TYPES))
    return Tables(read_runs(folder / "results.csv"), history, read_resolved(folder / "resolved.json"))


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


def read_runs(path: Path) -> pd.DataFrame:
    """One row a run, with the types that `Tables` states. A label such as `NA` stays text."""
    columns = _header(path, RUN_COLUMNS)
    texts = {*TEXTS, *_sections(columns)}
    measured = {name: "float64" for name in columns if name.startswith(MEASURED)}
    types = {**dict.fromkeys(texts, "str"), **measured, **NUMBERS}
    runs = _read_csv(path, types, {name: MISSING for name in columns if name not in texts})
    if runs.empty:
        raise ReportError(f"{path}: no runs yet, so there is nothing to report")
    if runs["run"].duplicated().any():
        raise ReportError(f"{path}: column 'run': {runs['run'][runs['run'].duplicated()].iloc[0]!r} is there twice")
    return runs.assign(**{name: runs[name].map(_as_meant) for name in text_columns(runs)})


def text_columns(table: pd.DataFrame) -> list[str]:
    """The columns that may hold texts, whatever type pandas, which is older or newer than 3, has for them."""
    return [str(name) for name in table if not pd.api.types.is_numeric_dtype(table[name])]


def _as_meant(value: Any) -> Any:
    """A text without the `'` that keeps spreadsheets from taking it for a formula."""
    return value[1:] if isinstance(value, str) and re.match(r"'+[=+\-@\t\r]", value) else value


def read_history(path: Path) -> pd.DataFrame:
    """One row a run, step and metric. Categories keep five million rows in a few hundred megabytes."""
    _header(path, tuple(HISTORY_TYPES))
    table = _read_csv(path, HISTORY_TYPES, {"value": MISSING, "epoch": MISSING})
    return table.astype({"run": "category", "metric": "category"})  # read as such, pandas takes 007 for 7


def read_claims(path: Path) -> pd.DataFrame:
    """One row a claim: `claim`, `verdict` ("ok", "FAILED", "not judged") and `found`; none where there is no file."""
    if not path.is_file():
        return pd.DataFrame(columns=list(CLAIM_COLUMNS))
    _header(path, CLAIM_COLUMNS)
    return _read_csv(path, "str", {}).map(_as_meant)


def _read_optional(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """A table that not every folder has; an empty one where it is not there."""
    if not path.is_file():
        return pd.DataFrame(columns=list(required))
    columns = _header(path, required)
    texts = {"run", "metric", "series"}.intersection(columns)
    return _read_csv(path, dict.fromkeys(texts, "str"), {name: MISSING for name in columns if name not in texts})


def _read_images(path: Path) -> dict[str, np.ndarray]:
    """The pixels [H, W, C] of each image by its name; none where there is no file."""
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as images:
            return {name: images[name] for name in images.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise ReportError(f"{path}: {error}") from error


def sections(runs: pd.DataFrame) -> list[str]:
    """The columns that hold the labels of alternatives: `data`, `model`, `loss`, `optimizer` and their like."""
    return _sections(list(runs.columns))


def settings(runs: pd.DataFrame) -> list[str]:
    """The columns that hold settings: `optimizer.lr` and its like."""
    return [name for name in runs.columns if "." in name and not name.startswith(MEASURED)]


def metrics(runs: pd.DataFrame) -> list[str]:
    """The names of the metrics that have a final value."""
    return [name.removeprefix("final.") for name in runs.columns if name.startswith("final.")]


def _sections(columns: list[str]) -> list[str]:
    return [name for name in columns if "." not in name and name not in (*RUN_COLUMNS, *OPTIONAL_COLUMNS)]


def _header(path: Path, required: tuple[str, ...]) -> list[str]:
    if not path.is_file():
        raise ReportError(f"{path}: no such file; a report is made from results.csv and history.csv")
    columns = list(_read_csv(path, None, {}, rows=0).columns)
    lacking = [name for name in required if name not in columns]
    if lacking:
        raise ReportError(f"{path}: no column {', '.join(map(repr, lacking))}; it has {', '.join(columns)}")
    return columns


def _read_csv(path: Path, types: Any, missing: dict[str, list[str]], rows: int | None = None) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path, dtype=types, na_values=missing, keep_default_na=False, nrows=rows, encoding="utf-8", index_col=False
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise ReportError(f"{path}: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path) or "{}")
    except ValueError as error:
        raise ReportError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ReportError(f"{path}: an object is expected, not {type(content).__name__}")
    return content


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
