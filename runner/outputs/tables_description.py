"""The schema of the tables as it is written beside them, `tables.json`, and told to observers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from xprun.runner.results.atomic_files import replace_text
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import FILE, ClassNames, ResultsSchema, parameter_column, reference_column


def with_outcomes(schema: ResultsSchema, outcomes: Iterable[Outcome]) -> ResultsSchema:
    """Return the schema with the parameters, references and names of classes of these outcomes."""
    known = list(outcomes)
    parameters = dict.fromkeys(name for outcome in known for name in outcome.parameters)
    references = dict.fromkeys(name for outcome in known for name in outcome.reference)
    columns = [*schema.columns, *map(parameter_column, parameters), *map(reference_column, references)]
    return replace(schema.with_columns(columns), classes=_classes(known))


def _classes(outcomes: list[Outcome]) -> list[ClassNames]:
    """Return the names of classes that outcomes tell, each list of them once, with its runs."""
    runs: dict[tuple[str, ...], list[str]] = {}
    for outcome in outcomes:
        if outcome.classes:
            runs.setdefault(tuple(outcome.classes), []).append(outcome.run)
    return [ClassNames(list(names), ids) for names, ids in runs.items()]


def write_description(folder: Path, schema: ResultsSchema) -> Path:
    """Write `tables.json`."""
    return replace_text(folder / FILE, json.dumps(schema.as_json(), indent=1) + "\n")


def columns_told(schema: ResultsSchema) -> list[dict[str, Any]]:
    """Return the columns of `results.csv` as plain values, for observers."""
    return list(schema.as_json()["tables"]["results"]["columns"])
