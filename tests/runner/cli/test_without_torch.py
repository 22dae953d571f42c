"""Where torch is not installed, a spec can still be checked, and whatever trains says how to install it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import xprun_without

SHIPPED = sorted((Path(__file__).parents[3] / "specs").glob("*.toml"))
SPECS = [str(path) for path in SHIPPED if not path.stem.endswith("_tensorflow")]
NO_TORCH = ("torch", "torchvision", "torchinfo", "torchmetrics", "timm", "pytorch_optimizer")
TOLD = (
    "torch is not installed, and nothing can be trained without it: pip install torch (https://pytorch.org/get-started"
)


def test_every_shipped_spec_is_checked(tmp_path: Path) -> None:
    done = xprun_without(NO_TORCH, "check", *SPECS, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok, ") == len(SPECS)
    notes = [line.partition("specs/")[2] for line in done.stderr.splitlines()]
    assert notes == [
        "sonnets_recipe.toml: optimizer.groups needs torch, which is not installed: not checked",
        "three_gradients.toml: run.gradient needs torch, which is not installed: not checked",
    ]


@pytest.mark.parametrize(
    ("was", "written", "message"),
    [
        ("lr = 0.1", "rl = 0.1", "scratch.gd has no such setting; did you mean 'lr'?"),
        ('"MSELoss"', '"MSLoss"', "there is no loss named 'MSLoss'; did you mean 'MSELoss'?"),
        ('"linear"', '"linear"\ninit = { w = { name = "zero_" } }', "there is no init named 'zero_'"),
    ],
)
def test_mistakes_are_found(
    was: str, written: str, message: str, tmp_path: Path, write: Callable[[str], Path], line_spec: str
) -> None:
    done = xprun_without(NO_TORCH, "check", write(line_spec.replace(was, written)), folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["line"],
        ["test", "line"],
        ["plan", "line"],
        ["check", "SGD"],
        ["predict", ".", "a"],
        ["export", ".", "a"],
        ["line", "-j", "1"],
    ],
    ids=" ".join,
)
def test_what_needs_torch_says_how_to_install_it(command: list[str], tmp_path: Path) -> None:
    done = xprun_without(NO_TORCH, *command, folder=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(TOLD)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["ls"], ["describe", "Adam"], ["schema"], ["init", "a.toml"]], ids=" ".join)
def test_what_needs_no_torch_works(command: list[str], tmp_path: Path) -> None:
    done = xprun_without(NO_TORCH, *command, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_a_spec_that_is_wrong_is_told_before_torch_is_missed(
    tmp_path: Path, write: Callable[[str], Path], line_spec: str
) -> None:
    done = xprun_without(NO_TORCH, write(line_spec.replace("lr =", "rl =")), folder=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'lr'?" in done.stderr
