"""Synthetic output folders: small tables with known answers."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.data.results_folder import read_results

Parts = tuple[Comparison, pd.DataFrame, pd.DataFrame, pd.DataFrame]  # comparison, judged runs, summary, ranking


SPEC = 'name = "demo"\n# see https://example.org\n[[optimizer]]\nname = "SGD"\nlr = { grid = [0.01, 0.1] }\n'


@dataclass
class Case:
    """One setting of one alternative: its final values by seed; None is a run that diverged.

    `fresh`: the values on seeds from 100 on, which confirm the setting.
    """

    label: str
    lr: float
    values: list[float | None]
    more: dict[str, Any] = field(default_factory=dict)
    fresh: list[float | None] = field(default_factory=list)


def write_folder(
    folder: Path, cases: list[Case], *, goal: str = "max", steps: int = 40, resolved: bool = True, **compare: Any
) -> Path:
    """An output folder; `compare` goes into resolved.json. Without `resolved` there are only the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = pd.DataFrame([row for case in cases for row in _rows(case, steps)])
    if not any(case.fresh for case in cases):
        runs = runs.drop(columns="stage")  # as folders of the first version
    runs.insert(0, "run", [f"{i:012x}" for i in range(len(runs))])
    runs.to_csv(folder / "results.csv", index=False)
    _history(runs, steps).to_csv(folder / "history.csv", index=False)
    if resolved:
        _write_facts(folder, runs, {"metric": "valid.accuracy", "goal": goal, "by": ["optimizer"]} | compare)
    return folder


def _rows(case: Case, steps: int) -> list[dict[str, Any]]:
    sections = {"data": "digits", "model": "MLP", "loss": "CrossEntropyLoss", "optimizer": case.label}
    return [
        sections
        | {"optimizer.lr": case.lr, "data.batch_size": 64, "seed": seed, "stage": stage}
        | _outcome(value, steps)
        | {"final.loss": _loss(value), "final.valid.accuracy": value, "best.valid.accuracy": value}
        | case.more
        for stage, values, start in (("search", case.values, 0), ("confirm", case.fresh, 100))
        for seed, value in enumerate(values, start)
    ]


def _outcome(value: float | None, steps: int) -> dict[str, Any]:
    if value is None:
        return {"status": "diverged", "reason": "loss is nan", "steps": 7, "epochs": 0.2, "seconds": 0.01}
    return {"status": "done", "reason": "", "steps": steps, "epochs": steps / 25, "seconds": 0.05}


def _loss(value: float | None) -> float | None:
    return None if value is None else 1 - value


def _history(runs: pd.DataFrame, steps: int) -> pd.DataFrame:
    """A loss at each step and an accuracy at every tenth, on the way to the run's final value."""
    return pd.concat([_run_history(row, steps) for row in runs.to_dict("records")], ignore_index=True)


def _run_history(row: dict[str, Any], steps: int) -> pd.DataFrame:
    k = np.arange(1, row["steps"] + 1)
    end = row["final.loss"] if row["status"] == "done" else 1.0
    noise = np.random.default_rng(row["seed"]).normal(0, 0.08, len(k))
    loss = (end + 2.3 * np.exp(-6 * row["optimizer.lr"] ** 0.3 * k / steps)) * np.exp(noise)
    if row["status"] != "done":
        loss[-1] = np.nan
    parts = [("loss", k, loss), ("valid.accuracy", k[9::10], 1 - end * (1 + 3 * np.exp(-4 * k[9::10] / steps)))]
    tables = [
        pd.DataFrame({"run": row["run"], "step": at, "epoch": at / 25, "metric": name, "value": value})
        for name, at, value in parts
    ]
    return pd.concat(tables)


def _write_facts(folder: Path, runs: pd.DataFrame, compare: dict[str, Any]) -> None:
    facts = {"name": "demo", "title": "A demo", "swept": ["optimizer.lr"], "runs": len(runs), "compare": compare}
    environment = {"xprun": "0.1.0", "created": "2026-11-22T09:00:00+00:00", "git": None, "packages": {"numpy": "2"}}
    (folder / "resolved.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    (folder / "spec.toml").write_text(SPEC, encoding="utf-8")


def add_paths(folder: Path, ends: dict[int, tuple[float, float]], start: tuple[float, float] = (0.0, 0.0)) -> Path:
    """Lets runs, by their number, walk in equal steps to where they end, over a bowl with its least loss at (3, 1)."""
    runs = pd.read_csv(folder / "results.csv", dtype={"run": str})
    history = [pd.read_csv(folder / "history.csv", dtype={"run": str})]
    for number, end in ends.items():
        run, steps = runs["run"][number], int(runs["steps"][number])
        for name, low, high in zip(("param.w", "param.b"), start, end, strict=True):
            at = np.arange(1, steps + 1)
            walk = low + (high - low) * (at - 1) / steps
            history.append(pd.DataFrame({"run": run, "step": at, "epoch": 0.0, "metric": name, "value": walk}))
            if runs["status"][number] == "done":
                runs.loc[number, name] = high
    runs.to_csv(folder / "results.csv", index=False)
    pd.concat(history).to_csv(folder / "history.csv", index=False)
    w, b = (part.ravel() for part in np.meshgrid(np.linspace(-1, 5, 31), np.linspace(-2, 4, 25), indexing="ij"))
    surface = {"run": runs["run"][0], "param.w": w, "param.b": b, "loss": 2 + (w - 3) ** 2 + 4 * (b - 1) ** 2}
    pd.DataFrame(surface).to_csv(folder / "surface.csv", index=False)
    return folder


def describe_folder(
    folder: Path,
    *,
    problems: list[str] | None = None,
    types: dict[str, Any] | None = None,
    swept: list[str] | None = None,
    repeats: list[str] | None = None,
    **changes: Any,
) -> Path:
    """Gives a folder the `tables.json` of this version; `problems` are data sets, `types` those of settings."""
    guessed = read_results(folder).schema
    found = replace(guessed.comparison, problems=["data"] if problems else [], swept=swept or guessed.comparison.swept)
    columns = [replace(c, type=(types or {}).get(c.name, c.type)) for c in guessed.columns]
    columns = [replace(c, role="repeat") if c.name in (repeats or []) else c for c in columns]
    schema = replace(guessed, schema=2, comparison=found, problems=[[label] for label in problems or []])
    content = schema.with_columns(columns).as_json() | changes
    (folder / "tables.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
