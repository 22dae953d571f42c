"""What takes more processes or memory than a machine has is an error with its place, before it is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from support.training import MakePlan
from xprun import run
from xprun.plugins import machine
from xprun.plugins.datasets.table import Augmentation, Table
from xprun.plugins.machine import most_processes
from xprun.runner.cli.main import main
from xprun.runner.execution.cohort_execution import execute
from xprun.runner.execution.worker_context import Context
from xprun.runner.workload import augmentation
from xprun.runner.workload.augmentation import Augmented


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: 10**6)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("data.samples=1000000", "data.samples: 1,000,000 samples: NotEnoughMemoryError: it takes about"),
        ('data={ name = "linear", samples = 100_000 }', "data.samples: 100,000 samples: NotEnoughMemoryError"),
        (
            'data={ name = "polynomial", batch_size = 1000_000 }',
            "data.batch_size: 100,000,000 rows to measure: NotEnoughMemoryError",
        ),
        ('model={ name = "mlp", hidden = [10_000, 10_000] }', "model: mlp of 100,040,001 parameters: NotEnough"),
        (
            'model={ name = "layers", layers = [{ name = "Linear", out_features = 1_000_000 }] }',
            "model: layers of 2,000,000 parameters: NotEnoughMemoryError",
        ),
        (
            'model={ name = "layers", layers = [{ name = "Linear", in_features = 1, out_features = 1_000_000 }] }',
            "model: layers of 2,000,000 parameters: NotEnoughMemoryError",
        ),
    ],
)
def test_what_takes_too_much_memory_fails_with_its_place_and_is_tried_elsewhere(
    setting: str, told: str, plan: MakePlan, line_spec: str
) -> None:
    text = line_spec.replace('batch_size = "full"\n', "batch_size = 10\n")
    [outcomes] = execute(plan(text, setting).cohorts(set())[0], Context("cpu"))
    assert outcomes[0].status == "failed"
    assert told in outcomes[0].reason
    assert not outcomes[0].cacheable


@pytest.mark.usefixtures("little_memory")
def test_what_fits_is_trained(plan: MakePlan, line_spec: str) -> None:
    [outcomes] = execute(plan(line_spec, "data.samples=10000").cohorts(set())[0], Context("cpu"))
    assert outcomes[0].status == "done"


@pytest.mark.parametrize("jobs", [10**6, most_processes() + 1])
def test_more_processes_than_the_machine_can_use_are_refused(
    jobs: int, write: Callable[[str], Path], line_spec: str
) -> None:
    result = CliRunner().invoke(main, ["run", str(write(line_spec)), "-j", str(jobs)])
    assert result.exit_code == 2
    assert f"at most {most_processes()} can do something at once" in result.stderr
    with pytest.raises(ValueError, match=f"jobs={jobs}: at most {most_processes()} processes"):
        run(str(write(line_spec)), jobs=jobs)


@pytest.mark.parametrize(("asked", "started"), [(3, 3), (1000, most_processes()), (0, 0)])
def test_a_loader_starts_no_more_processes_than_the_machine_can_use(
    asked: int, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []

    def loader(*_: object, num_workers: int, **__: object) -> list[tuple[torch.Tensor, torch.Tensor]]:
        given.append(num_workers)
        return [(torch.zeros(1, 1), torch.zeros(1))]

    monkeypatch.setattr(augmentation, "DataLoader", loader)
    table = Table(torch.zeros(4, 1), torch.zeros(4), augmentation=Augmentation(torch.zeros(4, 1), ()))
    next(iter(Augmented(table, 2, torch.device("cpu"), torch.float32, asked).alone(0)))
    assert given == [started]


@pytest.mark.parametrize(
    "setting",
    [
        'data={ name = "FakeData", num_workers = 1000000 }',
        "data.samples=1000000000000000",
        'data={ name = "polynomial", degree = 100000 }',
        'model={ name = "mlp", hidden = [1000000000000] }',
        'model={ name = "char_lstm", num_layers = 1000000000 }',
        'model={ name = "layers", layers = [{ name = "LSTM", input_size = 1, hidden_size = 1000000000000 }] }',
        'data={ name = "FakeData", transforms = [{ name = "Resize", size = 1000000 }] }',
        "run.observers=['tensorboard', 'tensorboard']",
    ],
)
def test_what_no_machine_can_do_is_found_by_check(setting: str, write: Callable[[str], Path], line_spec: str) -> None:
    result = CliRunner().invoke(main, ["check", "--json", str(write(line_spec)), "--set", setting])
    messages = [error["message"] for error in json.loads(result.stdout)[0]["errors"]]
    assert any("less than or equal" in message or "at most" in message or "twice" in message for message in messages)
