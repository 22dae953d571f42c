"""Which runs stand on the same ground: the same data, model and loss, whatever they are called."""

import json
from typing import Any

import pandas as pd
from xprun.reports.data.results_folder import Tables

IGNORED = "batch_size"  # says how rows are gone through, and not which there are


def grounds_of(tables: Tables, sections: tuple[str, ...]) -> pd.Series:
    """By run, what its components of these sections are, with their settings, as text."""
    runs, known = tables.runs, {section: _components(tables.resolved, section) for section in sections}
    parts = {name: name.partition(".") for name in map(str, runs)}
    columns = [name for name, (section, _, setting) in parts.items() if section in sections and setting != IGNORED]
    facts = [runs[name].replace(known.get(name, {})) for name in columns]
    others = [runs["run.dtype"]] if "run.dtype" in runs else []
    told = [*facts, *others]  # none in tables that were made by hand: nothing tells their runs apart then
    rows = zip(*told, strict=True) if told else [()] * len(runs)
    return pd.Series([str(row) for row in rows], index=runs["run"])


def _components(resolved: dict[str, Any], section: str) -> dict[str, str]:
    """By label, what the alternatives of a section are beside their labels."""
    written = resolved.get("spec", {}).get(section, [])
    settings = [{k: v for k, v in one.get("settings", {}).items() if k != IGNORED} for one in written]
    names = [one.get("label") or one.get("name") for one in written]
    told = [json.dumps([one.get("name"), s], sort_keys=True) for one, s in zip(written, settings, strict=True)]
    return dict(zip(names, told, strict=True))
