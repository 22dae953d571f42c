"""A scheduler changes what a run does as torch's own class would, alone and together with other runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from support.python_blocks import python_block
from support.training import MakePlan, agree, all_together, each_alone
from torch import nn
from torch.optim import lr_scheduler
from xprun.plugins.datasets.digits import digits
from xprun.plugins.registry import REGISTRY, optimizer
from xprun.runner.cli.main import main
from xprun.runner.engine import compiled_blocks
from xprun.runner.execution.cohort_execution import train
from xprun.runner.execution.worker_context import Context
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.workload.workload import make_workload

DATA = """
data = { name = "digits", valid = 0.8, batch_size = 64 }
model = { layers = [{ name = "Linear", in_features = 64, out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
run = { epochs = 3, dtype = "float64" }
"""
STEPS_PER_EPOCH = 6  # of 359 rows
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "Adam": {"lr": 0.01, "betas": (0.8, 0.95)},
    "AdamW": {"lr": 0.01},
    "Adamax": {"lr": 0.01},
    "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01},
    "RMSprop": {"lr": 0.01, "momentum": 0.5},
    "Adagrad": {"lr": 0.05},
    "Adadelta": {"lr": 1.0},
    "Rprop": {"lr": 0.001},
    "ASGD": {"lr": 0.05, "lambd": 0.1},
    "Adafactor": {"lr": 0.01},
    "LBFGS": {"lr": 0.1, "max_iter": 3},
}
EXPONENTIAL = ("ExponentialLR", {"gamma": 0.7})
ONE_CYCLE = ("OneCycleLR", {"max_lr": 0.2})


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(v)}" for key, v in value.items()) + " }"
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def spec(opt: str, settings: dict[str, Any], scheduler: str, own: dict[str, Any], per: str) -> str:
    written = toml({"name": scheduler, **own, "per": per})
    return f"{DATA}\noptimizer = {toml({'name': opt, **settings})}\nscheduler = {written}\n"


def by_hand(opt: str, settings: dict[str, Any], scheduler: str, own: dict[str, Any], per: str) -> list[float]:
    """Train with torch's own optimizer and scheduler; return the losses of all steps."""
    table = digits()
    train = torch.randperm(1797, generator=torch.Generator().manual_seed(0))[1438:].sort().values
    X, y = table.inputs[train].double(), table.targets[train]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 10)).double()
    optim = getattr(torch.optim, opt)(model.parameters(), **settings)
    schedule = getattr(lr_scheduler, scheduler)(optim, **own)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(3):
        for rows in torch.randperm(len(X), generator=generator).split(64):

            def closure(rows: torch.Tensor = rows) -> torch.Tensor:
                optim.zero_grad()
                loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                return loss

            losses.append(optim.step(closure).item())
            if per == "step":
                schedule.step()
        if per == "epoch":
            schedule.step()
    return losses


def losses(outcome: Outcome) -> list[float]:
    return list(outcome.history["loss"].values)


@pytest.mark.parametrize("per", ["epoch", "step"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_scheduled_optimizer_trains_as_it_does_by_hand(name: str, per: str, plan: MakePlan) -> None:
    case = (name, OPTIMIZERS[name], *EXPONENTIAL, per)
    runs = plan(spec(*case)).runs
    expected = by_hand(*case)
    assert losses(each_alone(runs)[runs[0].id]) == pytest.approx(expected, rel=1e-9)
    if name not in ("Adafactor", "LBFGS"):
        assert losses(all_together(runs)[runs[0].id]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_momentum_goes_the_other_way(name: str, plan: MakePlan) -> None:
    case = (name, OPTIMIZERS[name], *ONE_CYCLE)
    runs = plan(spec(*case, "step")).runs
    expected = by_hand(*case[:3], {**ONE_CYCLE[1], "total_steps": 18}, "step")
    for outcomes in (each_alone(runs), all_together(runs)):
        assert losses(outcomes[runs[0].id]) == pytest.approx(expected, rel=1e-9)


MANY = f"""
{DATA.replace("epochs = 3", "epochs = 3, seeds = 2")}
optimizer = [
  {{ name = "SGD", lr = {{ grid = [0.05, 0.2] }}, momentum = {{ grid = [0.0, 0.5] }} }},
  {{ name = "Adam", lr = {{ grid = [0.01, 1e308] }} }},
]
scheduler = [
  {{ name = "constant", per = "step" }},
  {{ name = "StepLR", step_size = {{ grid = [1, 2] }}, gamma = 0.5, per = "epoch" }},
  {{ name = "OneCycleLR", max_lr = 0.2, per = "step" }},
  {{ name = "SequentialLR", schedulers = [{{ name = "LinearLR" }}, {{ name = "ExponentialLR", gamma = 0.9 }}],
     milestones = [5], per = "step" }},
]
"""


@pytest.mark.parametrize("program", ["linear-stack", "traced"])
def test_runs_with_different_schedulers_train_together_as_alone(program: str, plan: MakePlan) -> None:
    [cohort] = plan(MANY).cohorts(set())
    assert len(cohort.runs) == 60
    found = all_together(cohort.runs, program)
    assert {outcome.status for outcome in found.values()} == {"done", "diverged"}
    agree(found, each_alone(cohort.runs))


def test_a_rule_that_sees_whole_parameters_is_scheduled_in_a_stack_too(plan: MakePlan) -> None:
    @optimizer("normalised")
    def normalised(w: torch.Tensor, g: torch.Tensor, *, lr: float = 0.1) -> torch.Tensor:
        return w - lr * g / g.norm()

    text = MANY[: MANY.index("optimizer")] + 'optimizer = { name = "normalised", lr = { grid = [0.1, 0.2] } }\n'
    text += 'scheduler = { name = "ExponentialLR", gamma = { grid = [0.5, 0.9] }, per = "epoch" }'
    runs = plan(text).runs
    agree(all_together(runs), each_alone(runs))


def test_schedules_are_laid_out_block_after_block(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    from xprun.runner.engine import settings_schedule as pace

    monkeypatch.setattr(pace, "BLOCK", 4)
    runs = plan(MANY).runs
    agree(all_together(runs), each_alone(runs))


def test_the_scheduler_is_in_the_tables_and_compared(tmp_path: Path, plan: MakePlan) -> None:
    made = plan(MANY)
    run_experiment(made.spec, REGISTRY, Options(tmp_path), Silent())
    table = pd.read_csv(tmp_path / "results.csv")
    assert set(table["scheduler"]) == {"constant", "StepLR", "OneCycleLR", "SequentialLR"}
    assert set(table[table.scheduler == "StepLR"]["scheduler.step_size"]) == {1, 2}
    assert set(table["scheduler.per"]) == {"epoch", "step"}
    facts = json.loads((tmp_path / "resolved.json").read_text())
    assert facts["compare"]["by"] == ["optimizer", "scheduler"]


def test_without_a_scheduler_there_is_no_column(tmp_path: Path, plan: MakePlan, line_spec: str) -> None:
    run_experiment(plan(line_spec).spec, REGISTRY, Options(tmp_path), Silent())
    assert "scheduler" not in pd.read_csv(tmp_path / "results.csv").columns


def check(write: Callable[[str], Path], text: str) -> str:
    return CliRunner().invoke(main, ["check", str(write(text))]).stderr


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('name = "StepLR"\nstep_size = 5\nper = "step"', "StepLR leaves the learning rate unchanged in all 5 steps"),
        (
            'name = "MultiStepLR"\nmilestones = { grid = [[2], [7, 9]] }\nper = "step"',
            "MultiStepLR with milestones = [7, 9] leaves the learning rate unchanged in all 5 steps",
        ),
        ('name = "ExponentialLR"\ngamma = 1.0\nper = "step"', "leaves the learning rate unchanged"),
        ('name = "warmup_cosine"\nwarmup = 9\nper = "step"', "warmup = 9 takes up the whole run, which has 5"),
        ('name = "OneCycleLR"\nmax_lr = 0.1\nper = "step"', "OneCycleLR cycles the momentum, and scratch.gd has none"),
        ('name = "StepLR"\nstep_size = 2', "StepLR needs the setting 'per'"),
        ('name = "StepLR"\nstep_size = 2\nper = "batch"', "must be 'epoch' or 'step', not \"batch\""),
        ('name = "LambdaLR"\nper = "step"', "'LambdaLR': it needs a Python function, which a spec"),
        ('name = "ReduceLROnPlateau"\nper = "epoch"', "'ReduceLROnPlateau': it depends on the results"),
        ('name = "StepRL"\nper = "step"', "there is no scheduler named 'StepRL'; did you mean 'StepLR'?"),
        (
            'name = "SequentialLR"\nschedulers = [{ name = "LinearLR" }]\nmilestones = [3]\nper = "step"',
            "1 schedulers need 0 milestones, not 1",
        ),
    ],
)
def test_a_scheduler_that_cannot_work_is_an_error_with_its_place(
    written: str, told: str, write: Callable[[str], Path], line_spec: str
) -> None:
    message = check(write, f"{line_spec}\n[scheduler]\n{written}\n")
    assert told in message
    assert ":16:" in message or ":17:" in message or ":18:" in message or ":19:" in message


PARTS = 'schedulers = [{ name = "ConstantLR" }, { name = "ExponentialLR", gamma = 0.9 }]'


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (f'name = "SequentialLR"\n{PARTS}\nmilestones = [10, 5]', "2 schedulers need 1 milestones, not 2"),
        (f'name = "SequentialLR"\n{PARTS}\nmilestones = []', "2 schedulers need 1 milestones, not 0"),
        ('name = "warmup_cosine"\nwarmup = 5', None),  # which would be too long for one tick
    ],
)
def test_what_is_wrong_at_any_length_is_known_without_it(
    written: str, told: str | None, write: Callable[[str], Path], line_spec: str
) -> None:
    text = line_spec.replace("steps = 5", "epochs = 9")
    message = check(write, f'{text}\n[scheduler]\nper = "step"\n{written}\n')
    assert told in message if told else message == ""


def test_a_scheduler_that_acts_in_the_longest_run_is_right(write: Callable[[str], Path], line_spec: str) -> None:
    text = f'{line_spec}\n[scheduler]\nname = "StepLR"\nstep_size = 8\nper = "step"\n'
    assert check(write, text.replace("steps = 5", "steps = { grid = [5, 10] }")) == ""


def test_an_optimizer_without_a_learning_rate_cannot_be_scheduled(write: Callable[[str], Path], line_spec: str) -> None:
    @optimizer("fixed")
    def fixed(w: torch.Tensor, g: torch.Tensor, *, pace: float = 0.1) -> torch.Tensor:
        return w - pace * g

    text = line_spec.replace('"scratch.gd"\nlr = 0.1', '"fixed"')
    message = check(write, f'{text}\n[scheduler]\nname = "StepLR"\nstep_size = 2\nper = "step"\n')
    assert "fixed has no setting 'lr' for a scheduler to change" in message


def test_one_that_turns_out_to_do_nothing_fails_and_its_neighbours_go_on(plan: MakePlan) -> None:
    text = MANY[: MANY.index("scheduler")].replace(", 1e308", "").replace("epochs = 3", "epochs = 3")
    text += 'scheduler = { name = "StepLR", step_size = { grid = [6, 18] }, per = "step" }'
    runs = plan(text).runs
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    found = {outcome.run: outcome for part in train(work, runs, Context("cpu")) for outcome in part}
    for run in runs:
        idle = run.choices["scheduler"].settings["step_size"] == 18
        assert found[run.id].status == ("failed" if idle else "done")
        if idle:
            assert found[run.id].reason.startswith("scheduler: does not fit this run: ScheduleError: StepLR leaves ")
            assert "leaves the learning rate unchanged in all 18 steps of the run" in found[run.id].reason


def test_runs_differ_by_their_scheduler(plan: MakePlan) -> None:
    assert len({run.id for run in plan(MANY).runs}) == 60


def test_scheduled_steps_are_taken_in_blocks(
    plan: MakePlan, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = []

    def counted(*arguments: Any, **more: Any) -> Any:
        blocks.append(python_block(*arguments, **more))
        return blocks[-1]

    monkeypatch.setattr(compiled_blocks, "block_for", counted)
    runs = plan(MANY, "run.compile=true").runs
    agree(all_together(runs), each_alone(runs))
    assert blocks
    assert "not compiled" not in caplog.text
