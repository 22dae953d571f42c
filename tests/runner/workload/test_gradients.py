"""A model's own gradient trains as autograd does, and one that is wrong is found before anything is trained."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from support.training import MakePlan, each_alone
from torch import Tensor, nn
from xprun.plugins.registry import REGISTRY, metric, model
from xprun.runner.cli.main import main
from xprun.runner.execution.cohort_execution import execute
from xprun.runner.execution.worker_context import Context
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent

THERMOMETER = """
data = { name = "thermometer", batch_size = "full" }
model = { name = "linear", w = 1.0, b = 0.01 }
loss = { name = "MSELoss" }
optimizer = [
  { name = "scratch.gd", lr = 1e-4 },
  { name = "SGD", lr = 1e-4 },
  { name = "LBFGS", lr = 1e-4, max_iter = 1 },
]
run = { steps = 200, dtype = "float64", gradient = { grid = ["manual", "autograd"] } }
"""


def outcomes_of(plan: MakePlan, text: str) -> dict[tuple[str, str], Outcome]:
    """Return the outcomes by optimizer and gradient."""
    found = {}
    for cohort in plan(text).cohorts(set()):
        outcomes = {o.run: o for part in execute(cohort, Context("cpu")) for o in part}
        found |= {(r.choices["optimizer"].name, r.settings.gradient): outcomes[r.id] for r in cohort.runs}
    return found


def test_five_ways_to_descend_agree(plan: MakePlan) -> None:
    outcomes = outcomes_of(plan, THERMOMETER)
    expected = outcomes["SGD", "autograd"].history["loss"].values
    assert expected[0] == pytest.approx(1764.7108, rel=1e-6)
    assert len(outcomes) == 6
    for (name, _), outcome in outcomes.items():
        if name != "LBFGS":  # its steps are other ones
            np.testing.assert_allclose(outcome.history["loss"].values, expected, 1e-10)
    by_hand, by_autograd = outcomes["LBFGS", "manual"], outcomes["LBFGS", "autograd"]
    np.testing.assert_allclose(by_hand.history["loss"].values, by_autograd.history["loss"].values, 1e-9)


def test_the_gradient_by_hand_has_its_published_values() -> None:
    from xprun.plugins.datasets.thermometer import thermometer
    from xprun.plugins.models.linear import linear

    table = thermometer()
    model = linear(table.inputs, table.targets, w=1.0, b=0.0).to(table.inputs.dtype)
    gradients = model.gradient(table.inputs, table.targets)  # type: ignore[operator]
    assert [g.item() for g in gradients.values()] == pytest.approx([4517.2969, 82.6000], abs=1e-3)


def test_the_gradient_is_a_column_of_the_results(plan: MakePlan, tmp_path: Path) -> None:
    run_experiment(plan(THERMOMETER).spec, REGISTRY, Options(tmp_path), Silent())
    header = (tmp_path / "results.csv").read_text().partition("\n")[0]
    assert "run.gradient" in header.split(",")


class Line(nn.Module):
    """y = a x with some formula for its gradient."""

    def __init__(self, formula: Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(1))
        self.formula = formula

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return self.formula(self.a, x, y)


FORMULAS: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]], str]] = {
    "right": (lambda a, x, y: {"a": (2 * (a * x - y) * x).mean(0)}, ""),
    "half": (lambda a, x, y: {"a": ((a * x - y) * x).mean(0)}, "is not that of MSELoss: a is off by"),
    "scalar": (lambda a, x, y: {"a": (2 * (a * x - y) * x).mean()}, "the gradient of a [1] that Line returns is of sh"),
    "other": (lambda a, x, y: {"b": (2 * (a * x - y) * x).mean(0)}, "the gradient of a [1] that Line returns is miss"),
    "raising": (lambda a, x, y: {"a": 1 / 0}, "cannot be checked: ZeroDivisionError: division by zero"),  # type: ignore[dict-item]
}


@pytest.fixture
def _lines(_registry_as_installed: None) -> Iterator[None]:
    for name, (formula, _) in FORMULAS.items():
        model(f"line.{name}")(lambda x, y, formula=formula: Line(formula))
    yield


@pytest.mark.usefixtures("_lines")
@pytest.mark.parametrize("name", FORMULAS)
def test_a_wrong_formula_is_an_error_with_its_place(name: str, write: Callable[[str], Path], line_spec: str) -> None:
    path = write(line_spec.replace('"linear"', f'"line.{name}"') + 'gradient = "manual"\n')
    result = CliRunner().invoke(main, ["check", str(path)])
    told = FORMULAS[name][1]
    assert result.exit_code == (2 if told else 0)
    assert told in result.stderr
    assert not told or "spec.toml:15:12: run.gradient: " in result.stderr


def test_a_model_without_a_formula_is_an_error(write: Callable[[str], Path], line_spec: str) -> None:
    layers = 'layers = [{ name = "Linear", in_features = 1, out_features = 1 }]'
    path = write(line_spec.replace('name = "linear"', layers) + 'gradient = "manual"\n')
    message = CliRunner().invoke(main, ["check", str(path)]).stderr
    assert "the model Sequential has no manual gradient" in message
    assert 'write gradient = "autograd"' in message


def test_only_a_manual_gradient_makes_check_import_torch(write: Callable[[str], Path], line_spec: str) -> None:
    program = (
        "import sys; from xprun.runner.cli.main import main\n"
        "try: main(['check', sys.argv[1]])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    told = []
    for gradient in ("autograd", "manual"):
        path = write(f'{line_spec}gradient = "{gradient}"\n')
        told.append(subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True).stdout)
    assert [text.splitlines()[-1] for text in told] == ["0 False", "0 True"]


@pytest.mark.parametrize("size", ["1", "7", '"full"'])
def test_one_row_some_rows_and_all_rows_are_one_setting(size: str, plan: MakePlan, line_spec: str) -> None:
    [run] = plan(line_spec.replace('"full"', size).replace("steps = 5", "epochs = 2")).runs
    rows = 20 if size == '"full"' else int(size)
    assert each_alone([run])[run.id].steps == 2 * -(-20 // rows)


def test_deterministic_algorithms_are_used_for_its_runs_only(plan: MakePlan, line_spec: str) -> None:
    seen = []

    @metric("watching")
    def watching(prediction: Tensor, target: Tensor) -> Tensor:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return prediction.mean()

    made = plan(f'{line_spec}metrics = ["watching"]\ndeterministic = {{ grid = [true, false] }}')
    first, second = made.cohorts(set())
    assert first.runs[0].id != second.runs[0].id
    for cohort, wanted in ((first, True), (second, False)):
        seen.clear()
        assert [o.status for part in execute(cohort, Context("cpu")) for o in part] == ["done"]
        assert set(seen) == {wanted}
        assert not torch.are_deterministic_algorithms_enabled()
