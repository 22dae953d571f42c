"""Hands ended runs to the observers that a spec names, each with a folder for the run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from xprun.plugins.registry import Registry
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Plan
from xprun.runner.store.files import folder_name, replace_folder
from xprun.runner.tables import runs_table
from xprun.runner.training.build import build
from xprun.specs import Run

RESULTS = ("final.", "best.")
NOT_SETTINGS = ("run", "status", "reason", "steps", "epochs", "seconds", "together")


def observe(plan: Plan, run: Run, outcome: Outcome, folder: Path, registry: Registry, *, again: bool) -> None:
    """Let the observers write a run, those that have not written it before or (`again`) all."""
    for name in run.settings.observers:
        target = folder / name / f"{folder_name(_label(plan, run))}-{run.id}"
        if again or not target.exists():
            write = build(registry, "observer", name, {})
            told = _told(plan, run, outcome)
            replace_folder(target, partial(write, **told))


def _told(plan: Plan, run: Run, outcome: Outcome) -> dict[str, Any]:
    """Return what an observer hears of a run: `settings`, `history` and `results`, as plain values."""
    row = runs_table(plan, [(run, outcome)]).iloc[0].dropna()
    plain = {str(key): value.item() if hasattr(value, "item") else value for key, value in row.items()}
    results = {key: value for key, value in plain.items() if key.startswith(RESULTS)}
    settings = {key: value for key, value in plain.items() if not key.startswith((*RESULTS, "param."))}
    return {
        "settings": {key: value for key, value in settings.items() if key not in NOT_SETTINGS},
        "history": {metric: (series.steps, series.values) for metric, series in outcome.history.items()},
        "results": results,
    }


def _label(plan: Plan, run: Run) -> str:
    return "-".join(run.choices[section].label for section in plan.comparison.by)
