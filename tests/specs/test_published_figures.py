"""Published figures that no spec can express; `pytest specs` checks the others, which the shipped specs claim."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from xprun.plugins import optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.resolve.resolver import resolve
from xprun.specs import read_document, read_spec

SPECS = Path(__file__).parents[2] / "specs"


@pytest.mark.parametrize("name", sorted(path.name for path in SPECS.glob("*.toml")))
def test_a_shipped_spec_is_right_and_claims_something(name: str) -> None:
    spec = resolve(read_spec(read_document(SPECS / name)), REGISTRY)
    assert spec.expectations
    assert spec.head.title


def test_a_wrong_formula_is_found_out(tmp_path: Path) -> None:
    @optimizer("swapped")
    def swapped(w: torch.Tensor, g: torch.Tensor, v: torch.Tensor, *, lr: float) -> tuple[torch.Tensor, ...]:
        v = 0.2 * g + 0.8 * v
        return w - lr * v, v

    spec = tmp_path / "formulas.toml"
    right = (SPECS / "formulas.toml").read_text(encoding="utf-8")
    spec.write_text(right.replace('"scratch.momentum"', '"swapped"'), encoding="utf-8")
    result = CliRunner().invoke(main, ["test", str(spec), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    failed = [line.partition(": FAILED: ")[2] for line in result.stdout.splitlines() if ": FAILED: " in line]
    assert [line.partition(" (")[0] for line in failed] == [
        "swapped run.steps=1: param.w = 0.638616",
        "swapped run.steps=2: param.w = 0.375052",
    ]


def test_the_gradient_of_the_first_autograd_example() -> None:
    """It has no data, no model and no steps, so it is no experiment."""
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 2
    z = 3 * y**2
    out = z.mean()
    out.backward()
    assert out.item() == 27.0
    assert x.grad is not None
    assert x.grad.tolist() == [[4.5, 4.5], [4.5, 4.5]]
