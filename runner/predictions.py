"""Predictions of a saved run on its own data, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from xprun.plugins.registry import Registry
from xprun.plugins.tensor_groups import Tensors
from xprun.runner.exports.saved_model import rebuild
from xprun.runner.results.class_names import class_labels, label_of
from xprun.runner.results.results_schema import PREDICTION, ROW, TARGET
from xprun.runner.store.checkpoints import CheckpointError
from xprun.runner.workload.evaluation_rows import predictions as outputs_of
from xprun.runner.workload.model_outputs import pick
from xprun.specs.language.diagnostics import inert


def predictions(folder: Path, name: str, split: str | None, registry: Registry) -> pd.DataFrame:
    """Return one row for each example of the run whose id starts with a name.

    `split` names them: `train`, `valid` or `test`; by default the first of valid, test and train that there is.
    `row` counts from 0 within the split. For classes: `target`, `prediction` and the probabilities `p[0]`, `p[1]`, ...,
    in which classes are called by their names where the data set tells them; else `target` and `prediction`, numbered
    where there are several outputs. Raises CheckpointError.
    """
    saved = rebuild(folder, name, registry)
    run, work = saved.run, saved.work
    parts = work.every_split
    table = parts.get(split) if split else work.valid or work.test or work.train
    if table is None:
        raise CheckpointError(f"run {run.id} has no {split} rows; use --data {list(parts)[-1]}")
    with torch.no_grad():
        outputs = pick(outputs_of(saved.module, table.inputs, work.rows_at_once), work.output)
    columns = _columns(outputs, table.targets)
    return pd.DataFrame({ROW: range(len(table)), **_with_names(columns, table.class_names, table.targets)})


def _with_names(columns: dict[str, list[Any]], names: tuple[str, ...], targets: Tensor) -> dict[str, list[Any]]:
    """Return columns in which classes are called by their names, where they have some: `cat` for 3, `p[cat]`."""
    if not names or targets.is_floating_point() or targets.dim() != 1 or PREDICTION not in columns:
        return columns

    labels = class_labels(names, inert)
    shares = {f"p[{i}]": f"p[{label}]" for i, label in enumerate(labels)}
    named = {key: [label_of(number, labels) for number in columns[key]] for key in (TARGET, PREDICTION)}
    return {shares.get(key, key): named.get(key, values) for key, values in columns.items()}


def _columns(outputs: Tensors, targets: Tensor) -> dict[str, list[float]]:
    """Return targets [N, ...] beside what was predicted, which for classes are the largest scores [N, classes, ...]."""
    if not isinstance(outputs, Tensor):  # several, of which the loss takes none by itself
        named = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
        numbers = [_numbered(f"{PREDICTION}.{name}", part) for name, part in named]
        return {name: column for table in (_numbered(TARGET, targets), *numbers) for name, column in table.items()}
    if targets.is_floating_point() or outputs.dim() != targets.dim() + 1:
        return _numbers(outputs, targets)
    return _classes(outputs, targets) if targets.dim() == 1 else _numbers(outputs.argmax(1), targets)


def _classes(outputs: Tensor, targets: Tensor) -> dict[str, list[float]]:
    """Return target class, predicted class, and the softmax of the scores [N, classes]."""
    shares = outputs.softmax(1)
    columns = {f"p[{i}]": shares[:, i].tolist() for i in range(shares.shape[1])}
    return {TARGET: targets.tolist(), PREDICTION: outputs.argmax(1).tolist(), **columns}


def _numbers(outputs: Tensor, targets: Tensor) -> dict[str, list[float]]:
    return {**_numbered(TARGET, targets), **_numbered(PREDICTION, outputs)}


def _numbered(name: str, values: Tensor) -> dict[str, list[float]]:
    flat = values.reshape(len(values), -1)
    if flat.shape[1] == 1:
        return {name: flat[:, 0].tolist()}
    return {f"{name}[{i}]": flat[:, i].tolist() for i in range(flat.shape[1])}
