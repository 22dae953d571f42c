"""Sweeps and ablations of what lies inside a setting, where the setting is a pair, or is written as a mere name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun import run
from xprun.runner.cli.main import main

SPEC = """
data = {{ name = "line", samples = 20, batch_size = "full" }}
model = {{ name = "linear" }}
loss = {{ name = "MSELoss" }}
optimizer = {{ name = "Adam", lr = 0.1, betas = [{first}, {second}] }}
run = {{ steps = 4 }}
"""


@pytest.mark.parametrize(
    ("first", "second", "column"),
    [
        ("{ grid = [0.5, 0.9] }", "0.999", "optimizer.betas[0]"),
        ("0.9", "{ grid = [0.9, 0.99] }", "optimizer.betas[1]"),
        ("{ uniform = [0.5, 0.9], samples = 2 }", "0.999", "optimizer.betas[0]"),
    ],
)
def test_a_part_of_a_pair_is_swept(
    write: Callable[[str], Path], tmp_path: Path, first: str, second: str, column: str
) -> None:
    results = run(write(SPEC.format(first=first, second=second)), output=tmp_path / "out", quiet=True)
    assert results.runs[column].nunique() == 2
    assert results.runs["final.loss"].nunique() == 2
    assert (results.runs["status"] == "done").all()


@pytest.mark.parametrize("key", ["model.activation.name", "model.hidden[0]", "model.activation.inplace"])
def test_an_ablation_inside_a_default_says_what_to_change(write: Callable[[str], Path], key: str) -> None:
    spec = f"""
data = {{ name = "digits" }}
model = {{ name = "mlp" }}
loss = {{ name = "CrossEntropyLoss" }}
optimizer = {{ name = "SGD" }}
run = {{ steps = 3 }}
[ablate]
"{key}" = 12
"""
    result = CliRunner().invoke(main, ["check", str(write(spec))])
    assert result.exit_code == 2
    whole = key.rpartition(".")[0] if key.count(".") > 1 else key.partition("[")[0]
    assert f"change {whole} as a whole" in result.output, result.output
