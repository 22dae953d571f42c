"""What pictures show is what the trained model says: the same alone and together, and only where the data allow it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.training import MakePlan, all_together, each_alone
from xprun.plugins.datasets.digits import digits
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import REGISTRY, data
from xprun.runner.workload.visual_data import feature, pixels, samples
from xprun.runner.workload.workload import make_workload

LINE = """
data = { name = "line", samples = 40, batch_size = 10 }
loss = { name = "MSELoss" }
model = { name = "linear" }
run = { steps = 30, dtype = "float64", seeds = 2 }
[[optimizer]]
name = "scratch.gd"
lr = { grid = [0.1, 0.3] }
"""
DIGITS = """
data = { name = "digits", valid = 0.2, batch_size = 256 }
loss = { name = "CrossEntropyLoss" }
model = { name = "softmax" }
run = { steps = 3, dtype = "float64", seeds = 2 }
[[optimizer]]
name = "SGD"
lr = { grid = [0.1, 0.3] }
"""


def test_a_fit_is_the_line_of_the_final_parameters(plan: MakePlan) -> None:
    for outcome in each_alone(plan(LINE).runs).values():
        x, y = np.array(outcome.visuals["fit"])
        inputs = REGISTRY.find("data", "line").load()(samples=40).inputs
        assert (x[0], x[-1], len(x)) == (pytest.approx(inputs.min().item()), pytest.approx(inputs.max().item()), 50)
        np.testing.assert_allclose(y, outcome.parameters["w"] * x + outcome.parameters["b"], rtol=1e-12)


def test_a_polynomial_is_a_curve_over_its_first_power(plan: MakePlan) -> None:
    sets = ["data.name=polynomial", "model={ layers = [{ name = 'Linear', out_features = 1 }] }", "optimizer.lr=0.01"]
    text = LINE.replace("samples = 40, ", "")
    outcome = next(iter(each_alone(plan(text, *sets).runs).values()))
    x, y = np.array(outcome.visuals["fit"])
    weights = [outcome.parameters[f"0.weight[{i}]"] for i in range(4)]
    expected = sum(w * x**power for power, w in enumerate(weights, 1)) + outcome.parameters["0.bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-9)


@pytest.mark.parametrize("program", ["linear-stack", "traced"])
@pytest.mark.parametrize(("text", "kind"), [(LINE, "fit"), (DIGITS, "samples")])
def test_runs_show_the_same_together(text: str, kind: str, program: str, plan: MakePlan) -> None:
    runs = plan(text).runs
    expected, found = each_alone(runs), all_together(runs, program)
    for run in runs:
        np.testing.assert_allclose(found[run.id].visuals[kind], expected[run.id].visuals[kind], rtol=1e-8)


@pytest.mark.parametrize(
    "sets",
    [
        ['data={ name = "linear", batch_size = 10 }'],  # two features
        ['data={ name = "diabetes", batch_size = 64 }'],
        [
            'loss={ name = "BCEWithLogitsLoss" }',
            'data={ name = "halves", batch_size = 10 }',
        ],  # two classes
        ['loss={ name = "CrossEntropyLoss" }', 'data={ name = "halves", batch_size = 10 }', "model.name=softmax"],
    ],
)
def test_other_data_show_nothing(sets: list[str], plan: MakePlan) -> None:
    @data("halves")
    def halves() -> Table:
        x = torch.linspace(-1, 1, 20).unsqueeze(1)
        return Table(x, (x[:, 0] > 0).long())

    outcome = next(iter(each_alone(plan(LINE, *sets).runs).values()))
    assert outcome.status == "done"
    assert outcome.visuals == {}


def test_only_powers_in_their_order_are_one_feature() -> None:
    x = torch.randn(20)
    assert feature(torch.stack([x, x**2, x**3], 1)) is not None
    assert feature(torch.stack([x, x**3], 1)) is None
    assert feature(torch.randn(20, 1, 8, 8)) is None
    assert feature(torch.full((20, 1), torch.nan)) is None


def test_samples_are_the_first_rows_and_the_surest_mistakes() -> None:
    """Of twelve rows the last three are wrong, for sure, hardly and rather; so is one of the first."""
    scores = torch.zeros(12, 2)
    scores[:9, 0], scores[9, 1], scores[10, 1], scores[11, 1] = 2.0, 5.0, 0.5, 1.0
    scores[2, 1] = 9.0
    table = samples(scores, torch.zeros(12, dtype=torch.int64))
    rows = [row for row in table[:, 0].tolist() if row == row]
    assert rows == [*range(8), 9, 11, 10]
    expected = [9, 0, 1, torch.sigmoid(torch.tensor(5.0)).item()]  # row, target, prediction, probability
    assert table[8].tolist() == pytest.approx(expected)


def test_the_samples_of_a_run_are_of_its_held_out_rows(plan: MakePlan) -> None:
    run = plan(DIGITS).runs[0]
    work = make_workload(REGISTRY, run, torch.device("cpu"))
    assert work.valid
    [outcome] = each_alone([run]).values()
    found = outcome.visuals["samples"]
    assert len(found) == 16
    for row, target, prediction, probability in found[:8]:
        assert target == work.valid.targets[int(row)]
        assert 0.1 <= probability <= 1
        assert prediction in range(10)
    assert all(target != prediction for _, target, prediction, _ in found[8:])
    assert [p for *_, p in found[8:]] == sorted((p for *_, p in found[8:]), reverse=True)


def test_pixels_are_those_of_the_image(plan: MakePlan) -> None:
    work = make_workload(REGISTRY, plan(DIGITS).runs[0], torch.device("cpu"))
    assert work.valid
    found = pixels(work, [0, 5])
    assert found.shape == (2, 8, 8, 1)
    np.testing.assert_array_equal(found[1].ravel(), (work.valid.inputs[5] * 255).round().numpy())
    assert digits().image == (1, 8, 8)


def test_large_images_are_shrunk_and_normalised_ones_stretched(plan: MakePlan) -> None:
    @data("posters")
    def posters() -> Table:
        images = torch.linspace(-3, 3, 2 * 3 * 200 * 100).view(2, 3, 200, 100)
        return Table(images, torch.tensor([0, 1]), image=(3, 200, 100))

    spec = DIGITS.replace('"digits", valid = 0.2', '"posters"')
    work = make_workload(REGISTRY, plan(spec).runs[0], torch.device("cpu"))
    found = pixels(work, [1])
    assert found.shape == (1, 48, 24, 3)
    assert found.min() < 4
    assert found.max() > 251
