"""The shipped specs reproduce the figures that the tutorials published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from xprun.plugins.registry import REGISTRY
from xprun.runner.check import resolve
from xprun.runner.execute import Context, train
from xprun.runner.plan import make_plan
from xprun.runner.workload import make_workload
from xprun.specs import read_document, read_spec

SPECS = Path(__file__).parent.parent / "specs"

# The loss before the update of step 30000, 60000, ..., 330000 of the float32 loop.
THERMOMETER = [
    12.095908, 6.133891, 4.048903, 3.319792, 3.064586, 2.975681, 2.944574, 2.933552, 2.929731, 2.928472, 2.927906,
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.name for path in SPECS.glob("*.toml")))
def test_a_shipped_spec_is_right(name: str) -> None:
    resolve(read_spec(read_document(SPECS / name)), REGISTRY)


def test_the_thermometer_has_its_published_losses_and_parameters() -> None:
    spec = resolve(read_spec(read_document(SPECS / "thermometer.toml")), REGISTRY)
    runs = make_plan(spec, REGISTRY, "cpu").runs
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    outcomes = [outcome for part in train(work, runs, Context("cpu")) for outcome in part]
    assert len(outcomes) == 2
    for outcome in outcomes:
        history = dict(zip(outcome.history["loss"].steps, outcome.history["loss"].values, strict=True))
        assert [history[step] for step in range(30_000, 330_001, 30_000)] == pytest.approx(THERMOMETER, rel=1e-5)
        assert outcome.parameters == pytest.approx({"w": 0.5358, "b": -17.2503}, abs=1e-3)
