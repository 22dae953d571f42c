"""A share such as 45 of 50 meets its decimal in every loop: where a run stops, what it aims at, what a spec claims."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.training import MakePlan, all_together, each_alone
from torch import Tensor
from xprun.plugins.registry import metric
from xprun.runner.outputs.claim_verdicts import evaluate
from xprun.runner.results.compared_value import chosen_by

SPEC = """
data = { name = "csv", file = "rows.csv", target = "y", classes = true, batch_size = "full" }
model = { layers = LAYERS, init = { weight = { name = "eye_" }, bias = { name = "zeros_" } } }
optimizer = { name = "SGD", lr = { grid = [1e-12, 1e-11] } }
loss = { name = "CrossEntropyLoss" }

[run]
epochs = 4
metrics = [METRIC]
stop = { metric_reached = { "train.COLUMN" = SHARE } }

[compare]
metric = "steps_to_target"
target = { "train.COLUMN" = SHARE }

[[expect]]
value = "train.COLUMN"
min = SHARE

[[expect]]
value = "train.COLUMN"
max = SHARE

[[expect]]
value = "train.COLUMN"
over = "mean"
equals = SHARE
abs = 0

[[expect]]
value = "steps_to_target"
equals = 1
"""
LAYERS = '[{ name = "Linear", in_features = 2, out_features = 2 }]'
TRACED = LAYERS.replace("]", ', { name = "Softsign" }]')  # a layer that no stack has


@pytest.fixture
def plugin() -> None:
    """The metric `hits`, a plugin's own share in single precision."""

    @metric("hits", goal="max")
    def hits(prediction: Tensor, target: Tensor) -> Tensor:
        """The share of hits."""
        return (prediction.argmax(1) == target).float().mean()


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("program", ["autograd", "linear-stack", "traced"])
@pytest.mark.parametrize(("right", "rows"), [(45, 50), (7, 10), (29, 30), (1, 3)])
@pytest.mark.parametrize(
    ("measured", "asked"),
    [
        ("accuracy", '"accuracy"'),
        ("f1(average=micro)", '{ name = "f1", average = "micro" }'),
        ("topk(k=1)", '{ name = "topk", k = 1 }'),
        ("hits", '"hits"'),
    ],
)
def test_a_share_is_its_decimal(
    measured: str, asked: str, right: int, rows: int, program: str, plan: MakePlan, tmp_path: Path
) -> None:
    lines = [f"{1 - n % 2},{n % 2},{n % 2 if n < right else 1 - n % 2}" for n in range(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    text = SPEC.replace("METRIC", asked).replace("COLUMN", measured).replace("SHARE", repr(right / rows))
    made = plan(text.replace("LAYERS", TRACED if program == "traced" else LAYERS))
    found = each_alone(made.runs) if program == "autograd" else all_together(made.runs, program)
    for outcome in found.values():
        assert (outcome.status, outcome.steps) == ("stopped", 1)
        assert chosen_by(made.comparison, outcome) == 1
    for expectation in made.spec.expectations:
        verdict = evaluate(expectation, made, found)
        assert verdict.holds, verdict.line
