"""Says what an exported model takes and gives: shapes, types, classes, and what was done to the data before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from xprun.plugins.tensor_groups import LazyRows, Tensors, call, count_rows, first_rows
from xprun.runner.exports.saved_model import SavedModel
from xprun.runner.results.class_names import class_labels
from xprun.runner.workload.data_split import mean_and_deviation
from xprun.runner.workload.model_outputs import pick
from xprun.runner.workload.workload import unchecked_workload
from xprun.specs.language.diagnostics import inert

NUMBERS = 64  # up to which means and deviations are written out


def describe_model(saved: SavedModel) -> dict[str, str]:
    """Return in words, by subject: `model`, `input`, `scaling` if there was some, `output`, `classes` if named."""
    run, table = saved.run, saved.work.train
    rows = first_rows(table.inputs, 2)
    with torch.no_grad():
        outputs = call(saved.module, rows)
    told = {
        "model": "{}, trained on {} by {}".format(*(run.choices[part].name for part in ("model", "data", "optimizer"))),
        "input": f"{_tensors(rows, count_rows(rows))}; N rows of {run.choices['data'].name}",
        "scaling": _scaling(saved),
        "output": f"{_tensors(outputs, count_rows(rows))}; {_meaning(saved, outputs)}",
        "classes": ", ".join(class_labels(table.class_names, inert)),
    }
    return {subject: text for subject, text in told.items() if text}


def _tensors(group: Any, rows: int) -> str:
    if isinstance(group, dict):
        return ", ".join(f"{name}: {_tensor(part, rows)}" for name, part in group.items())
    return ", ".join(_tensor(part, rows) for part in (group if isinstance(group, tuple | list) else (group,)))


def _tensor(tensor: Tensor, rows: int) -> str:
    sizes = ["N" if i == 0 and size == rows else str(size) for i, size in enumerate(tensor.shape)]
    return f"{str(tensor.dtype).removeprefix('torch.')} [{', '.join(sizes)}]"


def _meaning(saved: SavedModel, outputs: Tensors) -> str:
    loss = saved.run.choices["loss"].name
    chosen, targets = pick(outputs, saved.work.output), saved.work.train.targets
    if isinstance(chosen, Tensor) and not targets.is_floating_point() and chosen.dim() == targets.dim() + 1:
        what = "log-probabilities of the classes" if loss == "NLLLoss" else "a score for each class along axis 1"
        return f"{what}: softmax(1) gives probabilities, argmax(1) the class"
    if loss == "BCEWithLogitsLoss":
        return "scores: sigmoid gives probabilities"
    return f"what {loss} compares with the targets"


def _scaling(saved: SavedModel) -> str:
    """Return how the inputs of the data set were scaled before the model saw them, in numbers where these are few."""
    data = saved.run.choices["data"]
    if not data.settings.get("standardise"):
        return ""
    words = "(x - mean) / deviation, both of the training rows as the data set has them"
    as_they_were = replace(data, settings={**data.settings, "standardise": False})
    run = replace(saved.run, choices={**saved.run.choices, "data": as_they_were})
    inputs = unchecked_workload(saved.work.registry, run, torch.device("cpu")).train.inputs
    if isinstance(inputs, tuple | list | dict | LazyRows) or inputs[0].numel() > NUMBERS:
        return words
    mean, deviation = (part.flatten().tolist() for part in mean_and_deviation(inputs, 0))
    return f"{words}; mean {_listed(mean)}; deviation {_listed([one or 1.0 for one in deviation])}"


def _listed(numbers: list[float]) -> str:
    return f"[{', '.join(f'{number:.7g}' for number in numbers)}]"
