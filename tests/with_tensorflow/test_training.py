"""A run in TensorFlow stops, diverges, is saved and goes on as one in PyTorch does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support.commands import xprun, xprun_without
from support.tensorflow_extra import NEEDS_TENSORFLOW, PATIENCE, rows, trained

pytestmark = NEEDS_TENSORFLOW

THERMOMETER = """
data = { name = "thermometer", batch_size = "full" }
model = { name = "linear", w = 1.0, b = 0.01 }
loss = { name = "MSELoss" }
"""
WINE = """
data = { name = "wine", standardise = true, batch_size = 32, valid = 0.2, test = 0.2 }
model = { name = "mlp", hidden = [8], activation = "Tanh" }
loss = { name = "CrossEntropyLoss" }
"""
BOTH = 'backend = { grid = ["torch", "tensorflow"] }'


def by_backend(results: list[dict[str, str]], name: str) -> tuple[str, ...]:
    return tuple(row[name] for row in sorted(results, key=lambda row: row["run.backend"]))


def test_a_loss_that_is_low_enough_ends_a_run(tmp_path: Path) -> None:
    spec = THERMOMETER + 'optimizer = { name = "SGD", lr = 1e-4 }\n'
    spec += f"[run]\nsteps = 2000\nstop.loss_below = 28.0\n{BOTH}\n"
    found = trained(spec, tmp_path, "--no-report")
    assert by_backend(found, "status") == ("stopped", "stopped")
    steps, others = by_backend(found, "steps")
    assert steps == others
    assert 1 < int(steps) < 2000


def test_a_loss_that_is_no_number_any_more_ends_a_run(tmp_path: Path) -> None:
    spec = THERMOMETER + 'optimizer = { name = "scratch.gd", lr = 1e-2 }\n'
    spec += f"[run]\nsteps = 500\n{BOTH}\n"
    found = trained(spec, tmp_path, "--no-report")
    assert by_backend(found, "status") == ("diverged", "diverged")
    steps, others = by_backend(found, "steps")
    assert steps == others


def test_metrics_patience_and_the_test_part_are_those_of_torch(tmp_path: Path) -> None:
    spec = WINE + 'optimizer = { name = "SGD", lr = 0.05, momentum = 0.9 }\n'
    spec += '[run]\nepochs = 40\nmetrics = ["accuracy"]\n'
    spec += f'seeds = 2\ndtype = "float64"\nsave = "best"\nstop.patience = 3\n{BOTH}\n'
    found = trained(spec, tmp_path, "--no-report")
    assert {row["status"] for row in found} <= {"done", "stopped"}
    alike = ("steps", "final.valid.accuracy", "final.test.accuracy", "best.valid.accuracy")
    for seed in "01":
        for name in alike:
            one, other = by_backend([row for row in found if row["seed"] == seed], name)
            assert float(one) == pytest.approx(float(other), rel=1e-10), name


def test_a_checkpoint_is_one_that_torch_loads(tmp_path: Path) -> None:
    spec = WINE + 'optimizer = { name = "Adam", lr = 0.01 }\n[run]\nepochs = 3\nsave = "last"\nbackend = "tensorflow"\n'
    trained(spec, tmp_path, "--no-report")
    [file] = (tmp_path / "out").rglob("*.pt")
    loaded = torch.load(file, weights_only=True)
    assert {name: tuple(value.shape) for name, value in loaded.items()} == {
        "1.weight": (8, 13),
        "1.bias": (8,),
        "3.weight": (3, 8),
        "3.bias": (3,),
    }
    assert all(np.isfinite(value.numpy()).all() for value in loaded.values())


@pytest.mark.parametrize("optimizer", ['"scratch.adam"', '"Adam"'])
def test_a_run_that_was_killed_goes_on_to_the_same_numbers(optimizer: str, tmp_path: Path) -> None:
    spec = WINE + f"optimizer = {{ name = {optimizer}, lr = 0.01 }}\n"
    spec += '[run]\nepochs = 6000\ncheckpoint_every = 20\nbackend = "tensorflow"\n'
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    expected = trained(spec, whole, "--no-report")
    (cut / "spec.toml").write_text(spec, encoding="utf-8")
    kill_when_saved(cut)
    assert not (cut / "out/results.csv").exists()
    found = trained(spec, cut, "--no-report")
    apart = {"seconds"}
    assert [{k: v for k, v in row.items() if k not in apart} for row in found] == [
        {k: v for k, v in row.items() if k not in apart} for row in expected
    ]
    assert rows(cut / "out/history.csv") == rows(whole / "out/history.csv")


def kill_when_saved(folder: Path) -> None:
    """Run the spec of a folder, and kill it and its workers when it has saved a state."""
    environment = {**os.environ, "XPRUN_JOBS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "xprun", "spec.toml", "-o", "out", "--no-report"]
    with subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True) as running:
        end = time.monotonic() + PATIENCE
        while not list((folder / "out").glob("resume/*.state")):
            assert running.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)


def test_the_parent_never_imports_it(tmp_path: Path) -> None:
    spec = THERMOMETER + 'optimizer = { name = "SGD", lr = 1e-4 }\nrun = { steps = 10, backend = "tensorflow" }\n'
    (tmp_path / "spec.toml").write_text(spec, encoding="utf-8")
    program = (
        "import sys; from xprun.runner.cli.main import main\n"
        "try: main(['spec.toml', '-j', '1', '--no-report'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=PATIENCE)


def test_a_plan_does_without_it(tmp_path: Path) -> None:
    spec = THERMOMETER + 'optimizer = { name = "SGD", lr = 1e-4 }\nrun = { steps = 10, backend = "tensorflow" }\n'
    (tmp_path / "spec.toml").write_text(spec, encoding="utf-8")
    done = xprun("plan", "spec.toml", folder=tmp_path, jobs=1, timeout=PATIENCE)
    assert "tensorflow takes the steps of one run after the other; timed with torch" in done.stdout


def test_it_is_missed_in_one_line(tmp_path: Path) -> None:
    spec = THERMOMETER + 'optimizer = { name = "SGD", lr = 1e-4 }\nrun = { steps = 10, backend = "tensorflow" }\n'
    (tmp_path / "spec.toml").write_text(spec, encoding="utf-8")
    for command in (["check"], []):
        done = xprun_without(("tensorflow",), *command, "spec.toml", folder=tmp_path)
        assert done.returncode == 3
        assert done.stderr == (
            "the backend tensorflow needs tensorflow, which is not installed: pip install 'xprun[tensorflow]'\n"
        )
