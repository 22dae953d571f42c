"""What the data of a spec are: their parts, shapes, types, classes and a few rows to look at, as plain values."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import note, words_of
from xprun.runner.results.atomic_files import replace_text
from xprun.runner.results.results_schema import DATA_FILE, SHARED, TEST, TRAIN, VALID
from xprun.runner.results.run_columns import components_key
from xprun.specs import Run

if TYPE_CHECKING:
    from xprun.plugins.datasets.table import Table
    from xprun.plugins.registry import Registry
    from xprun.runner.workload.workload import Workload

MOST = 8  # data sets that are described
CLASSES = 60  # up to which the rows of each are counted
ROWS = 100_000  # of a part that are looked at
POINTS = 300  # rows of a scatter
IMAGES = 20
DIGITS = 4

Summary = dict[str, Any]


def distinct_data(runs: list[Run]) -> list[Run]:
    """Return the first run on each data set."""
    firsts: dict[str, Run] = {}
    for run in runs:
        firsts.setdefault(components_key(run, SHARED["data"]), run)
    return list(firsts.values())[:MOST]


def summaries_of(runs: list[Run], context: Context) -> list[Summary | str]:
    """Return what the data of the runs are, or why that cannot be told. It runs the code of components."""
    return [_summary_or_why_not(run, context) for run in runs]


def _summary_or_why_not(run: Run, context: Context) -> Summary | str:
    from xprun.runner.execution.cohort_execution import FAULTS, workload_of

    try:
        return {"label": run.choices["data"].label, **summarize(workload_of(Cohort([run]), context))}
    except FAULTS as error:  # the runs tell what is wrong with a component
        return f"{type(error).__name__}: {words_of(error)[:200]}"


def summaries_here(runs: list[Run], registry: Registry) -> Iterator[Summary]:
    """Yield what the data of the runs are, made in this process by the code of components, which may raise."""
    import torch
    from xprun.runner.workload.workload import unchecked_workload

    for run in runs:
        work = unchecked_workload(registry, run, torch.device("cpu"))
        yield {"label": run.choices["data"].label, **summarize(work)}


def summarize(work: Workload) -> Summary:
    """Return `parts` (train, valid, test: rows, shapes, types, range, counts of classes), `classes`, `truth` and rows.

    These are `images` ("shape" [n, H, W, C], "pixels" in base64, "targets" [n]), or `points` [n, 2 or 3] of data with
    one or two features: the features and the target.
    """
    parts = {name: part for name, part in ((TRAIN, work.train), (VALID, work.valid), (TEST, work.test)) if part}
    return {
        "parts": [_part(name, part) for name, part in parts.items()],
        "classes": list(work.train.class_names),
        **_truth(work.train),
        **_rows_to_show(work),
    }


def _truth(table: Table) -> Summary:
    """Return the weights `w` and the `b` from which the targets of a synthetic set were drawn, where it tells them."""
    truth = table.truth
    if truth.keys() != {"w", "b"} or isinstance(table.inputs, tuple | list | dict):
        return {}
    if len(truth["w"]) != table.one_tensor.shape[-1] or len(truth["b"]) != 1:
        return {}
    return {"truth": {name: [float(value) for value in values] for name, values in truth.items()}}


def _part(name: str, table: Table) -> Summary:
    from xprun.plugins.tensor_groups import first_rows

    inputs, targets = first_rows(table.inputs, min(len(table), ROWS)), table.targets[:ROWS]
    shape = f", an image {list(table.image)}" if table.image else ""
    told: Summary = {"part": name, "rows": len(table), "inputs": _tensors(inputs) + shape, "targets": _tensor(targets)}
    if not targets.is_floating_point():
        found = int(targets.max()) + 1 if targets.numel() else 0
        told["classes"] = found
        if targets.dim() == 1 and found <= CLASSES:
            told["counts"] = targets.cpu().bincount(minlength=found).tolist()
    return told | _range(inputs)


def _tensors(inputs: Any) -> str:
    """Return the shape of a row and the type, of each tensor where there are several."""
    if isinstance(inputs, dict):
        return ", ".join(f"{name}: {_tensor(part)}" for name, part in inputs.items())
    return ", ".join(map(_tensor, inputs)) if isinstance(inputs, tuple | list) else _tensor(inputs)


def _tensor(tensor: Any) -> str:
    return f"{list(tensor.shape[1:])} {str(tensor.dtype).removeprefix('torch.')}"


def _range(inputs: Any) -> Summary:
    """Return the least and the largest number, the mean and the standard deviation of one tensor of numbers."""
    if isinstance(inputs, tuple | list | dict) or not inputs.is_floating_point() or inputs.numel() < 2:
        return {}
    facts = {"low": inputs.min(), "high": inputs.max(), "mean": inputs.mean(), "sd": inputs.std()}
    return {name: _number(value) for name, value in facts.items()}


def _number(value: Any) -> float | None:
    number = float(value)
    return float(f"{number:.{DIGITS}g}") if abs(number) < float("inf") else None


def _rows_to_show(work: Workload) -> Summary:
    from xprun.runner.workload.visual_data import images, pixels

    held_out = images(work)
    if held_out is not None:
        rows = list(range(min(IMAGES, len(held_out.targets))))
        found = pixels(work, rows)
        told = {"shape": list(found.shape), "pixels": b64encode(found.tobytes()).decode()}
        return {"images": told | {"targets": held_out.targets[rows].tolist()}}
    table = work.train
    if isinstance(table.inputs, tuple | list | dict) or table.targets.dim() > 2:
        return {}
    inputs = table.one_tensor[:POINTS].reshape(min(POINTS, len(table)), -1)
    targets = table.targets[:POINTS].reshape(len(inputs), -1)
    if inputs.shape[1] > 2 or targets.shape[1] != 1:
        return {}
    rows_of = [[*x, *y] for x, y in zip(inputs.tolist(), targets.tolist(), strict=True)]
    return {"points": [[_number(value) for value in row] for row in rows_of]}


def write_data(folder: Path, runs: list[Run], found: list[Summary | str]) -> list[Path]:
    """Write `data.json`: a list of summaries. No file is left where nothing can be told."""
    path, told = folder / DATA_FILE, []
    for run, one in zip(runs, found, strict=True):
        if isinstance(one, str):
            note(f"the data of {run.choices['data'].label} cannot be described: {one}")
        else:
            told.append(one)
    if not told:
        path.unlink(missing_ok=True)
        return []
    replace_text(path, json.dumps(told, separators=(",", ":")) + "\n")
    return [path]
