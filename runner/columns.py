"""What tells a run from the others, as the columns of `results.csv` and as a name."""

from __future__ import annotations

import json
from typing import Any

from xprun.specs import Choice, Run, Spec


def columns_of_run(run: Run) -> dict[str, Any]:
    """Return a run's section labels, its dotted settings as far as the spec writes or sweeps them, and its seed."""
    row: dict[str, Any] = {section: choice.label for section, choice in run.choices.items()}
    for section, choice in [*run.choices.items(), ("run", run.run_choice)]:
        row |= _settings(section, choice)
    return {**row, "seed": run.seed}


def columns_of_spec(spec: Spec) -> set[str]:
    """Return every column that `columns_of_run` has for a run of the spec, without making the runs."""
    found = {*spec.sections, "seed"}
    for alternative in (*(a for several in spec.sections.values() for a in several), spec.run):
        section, settings = alternative.section, alternative.settings
        plain = [(key,) for key in alternative.written if isinstance(settings.get(key), bool | int | float | str)]
        found |= {dotted(section, path) for path in [*plain, *(axis.path for axis in alternative.axes)]}
    return found


def full_name(run: Run, several: set[str]) -> str:
    """Return what no other run of a spec is called: `scratch.adam optimizer.lr=0.03 seed=0`.

    `several` are the sections with more than one alternative.
    """
    parts = []
    for section, choice in [*run.choices.items(), ("run", run.run_choice)]:
        if section in several or section == "optimizer":
            parts.append(choice.label)
        parts += [f"{dotted(section, path)}={cell(value)}" for path, value in choice.swept.items()]
    return " ".join([*parts, f"seed={run.seed}"])


def dotted(section: str, path: tuple[str | int, ...]) -> str:
    """Return the name of a setting in tables: `optimizer.lr`, `model.layers[0].out_features`."""
    return section + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def cell(value: Any) -> Any:
    """Return a setting as a table holds it: a list or table as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _settings(section: str, choice: Choice) -> dict[str, Any]:
    plain = {
        dotted(section, (key,)): choice.settings[key]
        for key in choice.alternative.written
        if isinstance(choice.settings[key], bool | int | float | str)
    }
    return plain | {dotted(section, path): cell(value) for path, value in choice.swept.items()}
