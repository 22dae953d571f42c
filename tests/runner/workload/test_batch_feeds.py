"""Every kind of data trains, and its batches are the same alone and together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor
from xprun.plugins import data
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.registry import REGISTRY
from xprun.runner.execution.cohort_execution import train
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.plan import Plan
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.batch_feeds import Drawn
from xprun.runner.workload.workload import make_workload
from xprun.specs import SpecError

MakePlan = Callable[..., Plan]
CPU = torch.device("cpu")

POLYNOMIAL = """
[data]
name = "polynomial"
batch_size = 8
[model]
name = "linear"
[loss]
name = "SmoothL1Loss"
[optimizer]
name = "scratch.gd"
lr = { grid = [0.05, 0.1] }
[run]
steps = 30
seeds = 3
metrics = ["mae"]
dtype = "float64"
"""
LAYERS = '[model]\nlayers = [{ name = "Linear", in_features = 4, out_features = 1 }, { name = "Softplus" }]'


def outcomes(plan: Plan) -> list[Outcome]:
    """Return the outcomes of a plan of one cohort in its order, trained as the engine chooses."""
    work = make_workload(REGISTRY, plan.runs[0], CPU)
    found = {o.run: o for part in train(work, plan.runs, Context("cpu")) for o in part}
    return [found[run.id] for run in plan.runs]


@pytest.mark.parametrize("text", [POLYNOMIAL, POLYNOMIAL.replace('[model]\nname = "linear"', LAYERS)])
def test_a_stream_trains_the_same_alone_and_together(plan: MakePlan, text: str) -> None:
    together = outcomes(plan(text, "run.engine=together"))
    alone = outcomes(plan(text, "run.engine=alone"))
    assert ({o.together for o in together}, {o.together for o in alone}) == ({6}, {1})
    for one, other in zip(together, alone, strict=True):
        assert set(one.history) == {"loss", "train.loss", "train.mae"}
        for name, series in one.history.items():
            assert series.values == pytest.approx(other.history[name].values, rel=1e-9)


def test_every_step_of_a_stream_sees_rows_that_no_other_step_saw(plan: MakePlan) -> None:
    work = make_workload(REGISTRY, plan(POLYNOMIAL).runs[0], CPU)
    seen = [x for seed in (0, 1) for x, _ in islice(work.feed.alone(seed), 3)] + [work.train.inputs[:8]]
    assert all(x.shape == (8, 4) and x.dtype == torch.float64 for x in seen)
    assert len({float(x.sum()) for x in seen}) == len(seen)
    again = next(work.feed.alone(0))[0]
    assert torch.equal(again, seen[0])


def test_a_stream_does_not_draw_the_numbers_that_parameters_start_with() -> None:
    stream = Stream(lambda generator, rows: (torch.randn(rows, 2, generator=generator), torch.zeros(rows)))
    x, _ = next(Drawn(stream, 8, torch.device("cpu"), torch.float32).alone(seed=3))
    assert not torch.equal(x, torch.randn(8, 2, generator=torch.Generator().manual_seed(3)))


def test_the_polynomial_is_fitted_as_published(plan: MakePlan) -> None:
    text = POLYNOMIAL.replace("batch_size = 8", "batch_size = 32").replace("{ grid = [0.05, 0.1] }", "0.1")
    made = plan(text.replace("steps = 30", "steps = 5000\nstop = { loss_below = 1e-3 }"))
    for outcome in outcomes(made):
        assert outcome.status == "stopped"
        found = [outcome.parameters[name] for name in ("w[0]", "w[1]", "w[2]", "w[3]", "b")]
        work = make_workload(REGISTRY, made.runs[0], CPU)
        assert found == pytest.approx([*work.train.truth["w"], *work.train.truth["b"]], abs=0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 30", "epochs = 3"), "run.epochs: polynomial draws fresh rows at every step, so it has no epochs"),
        (("batch_size = 8", 'batch_size = "full"'), "data.batch_size: polynomial draws fresh rows"),
        (("batch_size = 8", "valid = 0.1"), "data.valid: polynomial draws fresh rows"),
        (("batch_size = 8", "standardise = true"), "data.standardise: polynomial draws fresh rows"),
    ],
)
def test_a_stream_is_asked_for_nothing_that_it_has_not(plan: MakePlan, change: tuple[str, str], message: str) -> None:
    with pytest.raises(SpecError) as error:
        plan(POLYNOMIAL.replace(*change))
    assert message in str(error.value)


def test_a_stream_that_does_not_say_so_in_its_signature_is_noticed_when_it_is_made(plan: MakePlan) -> None:
    @data("silent")
    def silent():  # type: ignore[no-untyped-def]
        def sample(generator: torch.Generator, rows: int) -> tuple[Tensor, Tensor]:
            x = torch.rand(rows, 1, generator=generator)
            return x, x

        return Stream(sample)

    made = plan(POLYNOMIAL.replace('"polynomial"\nbatch_size = 8', '"silent"\nvalid = 0.5'))
    with pytest.raises(ValueError, match="a stream draws fresh rows at every step"):
        make_workload(REGISTRY, made.runs[0], CPU)


IRIS = """
[data]
name = "{name}"
valid = 0.2
standardise = true
[model]
layers = [{{ name = "Linear", in_features = {inputs}, out_features = {outputs} }}]
[loss]
name = "{loss}"
[optimizer]
name = "SGD"
lr = 0.1
[run]
epochs = 15
"""


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "loss", "below"),
    [
        ("iris", 4, 3, "CrossEntropyLoss", 0.5),
        ("wine", 13, 3, "CrossEntropyLoss", 0.3),
        ("breast_cancer", 30, 2, "CrossEntropyLoss", 0.2),
        ("diabetes", 10, 1, "MSELoss", 4500),
    ],
)
def test_the_tables_of_scikit_learn_train(
    plan: MakePlan, name: str, inputs: int, outputs: int, loss: str, below: float
) -> None:
    made = plan(IRIS.format(name=name, inputs=inputs, outputs=outputs, loss=loss))
    [outcome] = outcomes(made)
    assert outcome.history["valid.loss"].values[-1] < below < outcome.history["valid.loss"].values[0] * 2


def test_standardised_inputs_have_mean_0_and_deviation_1_over_the_training_rows(plan: MakePlan) -> None:
    work = make_workload(
        REGISTRY, plan(IRIS.format(name="wine", inputs=13, outputs=3, loss="CrossEntropyLoss")).runs[0], CPU
    )
    assert torch.allclose(work.train.inputs.mean(0), torch.zeros(13), atol=1e-5)
    assert torch.allclose(work.train.inputs.std(0, correction=0), torch.ones(13), atol=1e-5)
    assert work.valid is not None
    assert not torch.allclose(work.valid.inputs.mean(0), torch.zeros(13), atol=1e-3)  # it was not looked at


def test_a_csv_file_beside_the_spec_trains(train: Callable[..., list[Outcome]], tmp_path: Path, line_spec: str) -> None:
    rows = "".join(f"{x},{3 * x + 1}\n" for x in range(10))
    (tmp_path / "points.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
    text = line_spec.replace('"line"\nsamples = 20', '"csv"\nfile = "points.csv"\ntarget = "y"\nstandardise = true')
    [outcome] = train(text, "run.steps=200", "run.dtype=float64")
    assert outcome.history["loss"].values[-1] == pytest.approx(0, abs=1e-12)


def test_two_data_sets_with_other_files_make_other_cohorts(plan: MakePlan, tmp_path: Path, line_spec: str) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("x,y\n1,2\n3,4\n", encoding="utf-8")
    text = line_spec.replace('"line"\nsamples = 20', '"csv"\ntarget = "y"\nfile = { grid = ["a.csv", "b.csv"] }')
    assert len(plan(text).cohorts(set())) == 2
