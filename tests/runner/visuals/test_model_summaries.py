"""Which models of a plan are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from xprun.runner.visuals import model_summaries
from xprun.runner.visuals.model_summaries import distinct_models

TASKS = """
[optimizer]
name = "SGD"

[[problem]]
model = { name = "rosenbrock" }
label = "valley"

[[problem]]
data = { name = "line" }
model = { name = "linear" }
loss = { name = "MSELoss" }
label = "line"
"""


def test_networks_are_shown_before_objectives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xprun.plugins.registry import REGISTRY
    from xprun.runner.planning.plan import make_plan
    from xprun.runner.resolve.resolver import resolve
    from xprun.specs import read_document, read_spec

    path = tmp_path / "tasks.toml"
    path.write_text(TASKS + "[run]\nsteps = 2\n", encoding="utf-8")
    runs = make_plan(resolve(read_spec(read_document(path)), REGISTRY), "cpu").searched
    shown, left_out = distinct_models(runs)
    assert [run.choices["model"].name for run in shown] == ["linear", "rosenbrock"]
    monkeypatch.setattr(model_summaries, "MOST", 1)
    shown, left_out = distinct_models(runs)
    assert ([run.choices["model"].name for run in shown], left_out) == (["linear"], 1)
