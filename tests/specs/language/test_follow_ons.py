"""One mistake is one error: what only follows from it waits until it is mended, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import SpecError, read_document, read_spec

Write = Callable[..., Path]
SPEC = """
[data]
name = "digits"
valid = 0.2
test = 0.1
[model]
name = "softmax"
[loss]
name = "CrossEntropyLoss"
[[optimizer]]
name = "SGD"
lr = { grid = [0.1, 0.2] }
[[optimizer]]
name = "Adam"
[run]
epochs = 3
metrics = ["accuracy"]
evaluate_every = 1
save = "best"
seeds = 6
stop = { patience = { evaluations = 2, metric = "valid.accuracy" } }
[compare]
metric = "valid.accuracy"
baseline = "SGD"
target = { "valid.accuracy" = 0.9 }
[[exclude]]
optimizer = "SGD"
"optimizer.lr" = 0.2
[ablate]
"optimizer.weight_decay" = 0.1
[[expect]]
where = { optimizer = "Adam" }
value = "final.valid.accuracy"
min = 0.5
[[expect]]
value = "test.accuracy"
min = 0.5
[[expect]]
where = { optimizer = "SGD", "optimizer.lr" = 0.1 }
value = "best.valid.loss"
max = 1.0
"""


def fields(path: Path) -> list[str]:
    """Return the fields that are wrong in a spec."""
    try:
        resolve(read_spec(read_document(path)), REGISTRY)
    except SpecError as error:
        return [problem["field"] for problem in error.as_objects()]
    return []


def test_the_spec_is_right(write: Write) -> None:
    assert fields(write(SPEC)) == []


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("valid = 0.2", "vaild = 0.2", "data.vaild"),
        ("valid = 0.2", 'valid = "${nowhere}"', "data.valid"),
        ("test = 0.1", "tets = 0.1", "data.tets"),
        ("[data]", "[dta]", "dta"),
        ('"digits"', '"digit"', "data.name"),
        ('["accuracy"]', '["acuracy"]', "run.metrics[0]"),
        ("metrics =", "metric =", "run.metric"),
        ("[run]", "[rum]", "rum"),
        ('"SGD"\nlr', '"SDG"\nlr', "optimizer[0].name"),
        ('name = "Adam"', 'name = "Adm"', "optimizer[1].name"),
        ("lr = {", "lrr = {", "optimizer[0].lrr"),
        ("[[optimizer]]", "[[optimiser]]", "optimiser"),
        ("epochs = 3", 'epochs = "${run.sedes}"', "run.epochs"),
    ],
)
def test_one_mistake_is_one_error(write: Write, old: str, new: str, field: str) -> None:
    assert SPEC.replace(old, new) != SPEC
    assert fields(write(SPEC.replace(old, new))) == [field]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        (
            {"valid = 0.2": "vaild = 0.2", 'baseline = "SGD"': 'baseline = "Sgd"'},
            ["data.vaild", "compare.baseline"],
        ),
        (
            {'name = "Adam"': 'name = "Adm"', '"best.valid.loss"': '"best.valid.los"'},
            ["optimizer[1].name", "expect[2].value"],
        ),
        ({"epochs = 3": 'epochs = "${no}"', 'name = "Adam"': 'name = "Adm"'}, ["optimizer[1].name", "run.epochs"]),
        (
            {"lr = {": "lrr = {", "seeds = 6": "seeds = 6\nclip_norm = 1\nclip_value = 1"},
            ["optimizer[0].lrr", "run.clip_value"],
        ),
        (
            {"valid = 0.2": "vaild = 0.2", "test = 0.1": "test = 2", '"softmax"': '"sofmax"'},
            ["data.vaild", "data.test", "model.name"],
        ),
        ({'"softmax"': '"sofmax"', "valid = 0.2": "valid = 0.9\nsplit_seed = 3"}, ["data.test", "model.name"]),
    ],
)
def test_mistakes_that_do_not_follow_from_one_another_are_told_at_once(
    write: Write, changes: dict[str, str], wrong: list[str]
) -> None:
    text = SPEC
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    assert fields(write(text)) == wrong
