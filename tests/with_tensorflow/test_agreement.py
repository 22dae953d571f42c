"""What TensorFlow trains agrees with PyTorch over 1,000 steps: each optimizer on each kind of model, data and loss."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from support.tensorflow_extra import NEEDS_TENSORFLOW, rows, trained

pytestmark = NEEDS_TENSORFLOW

# Keras has its epsilon elsewhere than torch.optim; where it is next to nothing, that makes no difference.
NO_EPSILON = "eps = 1e-30"
OPTIMIZERS = f"""
[[optimizer]]
name = "scratch.gd"
lr = 0.01
[[optimizer]]
name = "scratch.minibatch_sgd"
lr = 0.1
[[optimizer]]
name = "scratch.momentum"
lr = 0.01
[[optimizer]]
name = "scratch.adagrad"
lr = 0.001
[[optimizer]]
name = "scratch.rmsprop"
lr = 0.0001
[[optimizer]]
name = "scratch.adam"
lr = 0.0001
[[optimizer]]
name = "SGD"
lr = 0.01
[[optimizer]]
name = "SGD"
label = "SGD momentum"
lr = 0.01
momentum = 0.5
[[optimizer]]
name = "SGD"
label = "SGD nesterov"
lr = 0.01
momentum = 0.5
nesterov = true
[[optimizer]]
name = "Adam"
lr = 0.0001
{NO_EPSILON}
[[optimizer]]
name = "Adam"
label = "AMSGrad"
lr = 0.0001
betas = [0.8, 0.99]
amsgrad = true
{NO_EPSILON}
[[optimizer]]
name = "RMSprop"
lr = 0.0001
{NO_EPSILON}
[[optimizer]]
name = "RMSprop"
label = "RMSprop momentum"
lr = 0.0001
momentum = 0.5
{NO_EPSILON}
[[optimizer]]
name = "Adagrad"
lr = 0.001
{NO_EPSILON}
"""
LINE = 'data = { name = "linear", samples = 100, batch_size = "full", valid = 0.2 }\n'
PROBLEMS = {
    "line": LINE + 'model = { name = "linear" }\nloss = { name = "MSELoss" }',
    "line, by hand": LINE + 'model = { name = "linear" }\nloss = { name = "MSELoss" }',
    "softmax": 'data = { name = "wine", standardise = true, batch_size = 32, valid = 0.2 }\n'
    'model = { name = "softmax" }\nloss = { name = "CrossEntropyLoss" }',
    "mlp": 'data = { name = "wine", standardise = true, batch_size = 50, valid = 0.2 }\n'
    'model = { name = "mlp", hidden = [8, 6], activation = "Tanh" }\nloss = { name = "CrossEntropyLoss" }',
    "regression": 'data = { name = "linear", samples = 100, batch_size = 16, valid = 0.2 }\n'
    'model = { name = "mlp", hidden = [5], activation = "Sigmoid" }\nloss = { name = "MSELoss", reduction = "sum" }',
}
# Relative to the largest value of a curve: what is left of a loss near 0 is a difference of rounded numbers.
WITHIN = {"float32": 1e-5, "float64": 1e-10}


def spec_of(problem: str) -> str:
    return f"""
{PROBLEMS[problem]}
{OPTIMIZERS}
[run]
steps = 1000
record_every = 50
backend = {{ grid = ["torch", "tensorflow"] }}
dtype = {{ grid = ["float32", "float64"] }}
gradient = "{"manual" if problem == "line, by hand" else "autograd"}"
"""


def curves(folder: Path) -> dict[tuple[str, str, str], dict[str, list[float]]]:
    """Return the losses and validation losses in their order, by dtype, optimizer and metric, of each backend."""
    of_run = {row["run"]: row for row in rows(folder / "out/results.csv")}
    found: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in rows(folder / "out/history.csv"):
        run = of_run[line["run"]]
        found[run["run.dtype"], run["optimizer"], line["metric"]][run["run.backend"]].append(float(line["value"]))
    return found


@pytest.mark.parametrize("problem", PROBLEMS)
def test_both_train_alike(problem: str, tmp_path: Path) -> None:
    ended = trained(spec_of(problem), tmp_path, "--no-report")
    assert {row["status"] for row in ended} == {"done"}
    apart = {}
    for (dtype, optimizer, metric), of in curves(tmp_path).items():
        assert len(of["torch"]) == len(of["tensorflow"]) > 1
        furthest = max(abs(a - b) for a, b in zip(of["torch"], of["tensorflow"], strict=True))
        apart[dtype, optimizer, metric] = furthest / max(map(abs, of["torch"]))
    assert {name: by for name, by in apart.items() if by > WITHIN[name[0]]} == {}
