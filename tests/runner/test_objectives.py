"""Specs of objectives: without data and loss, trained together as alone, measured without their noise."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training import MakePlan, agree, all_together, each_alone
from xprun.plugins import Objective, objective
from xprun.plugins.discovery import open_registry
from xprun.plugins.objectives.objective import task_generator
from xprun.plugins.registry import REGISTRY, PluginError
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.workload import make_workload
from xprun.specs import SpecError, read_spec, read_text

CPU = torch.device("cpu")
OBJECTIVES = [c.name for c in open_registry().components("model") if c.is_objective]
SETTINGS = {"chain": "weight = 0.9", "quadratic": "rotated = true\ndelay = 3", "scale_invariant": "length = 2.0"}
RULES = """
[[optimizer]]
name = "SGD"
lr = { grid = [1e-4, 1e-3] }
momentum = 0.5
[[optimizer]]
name = "Adam"
lr = 1e-3
[run]
steps = 12
seeds = 2
dtype = "float64"
"""


def spec(model: str, settings: str = "", rest: str = RULES) -> str:
    return f'[model]\nname = "{model}"\n{settings}\n{rest}'


def trained(plan: MakePlan, text: str) -> dict[str, Outcome]:
    [cohort] = plan(text).cohorts(set())
    return each_alone(cohort.runs)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_runs_together_end_as_they_do_alone(name: str, plan: MakePlan) -> None:
    [cohort] = plan(spec(name, SETTINGS.get(name, ""))).cohorts(set())
    expected = each_alone(cohort.runs)
    assert all(outcome.status == "done" for outcome in expected.values())
    agree(all_together(cohort.runs, "traced"), expected)


def test_what_is_measured_is_how_far_the_loss_without_noise_is_from_its_minimum(plan: MakePlan) -> None:
    text = spec(
        "noisy_quadratic", "size = 3", '[optimizer]\nname = "SGD"\nlr = 0.1\n[run]\nsteps = 4\ndtype = "float64"'
    )
    [outcome] = trained(plan, text).values()
    assert {"loss", "train.loss", "train.suboptimality"} <= set(outcome.history)
    x = np.array([outcome.parameters[f"x[{i}]"] for i in range(3)])
    exact = (x**2 / [1, 2, 3]).sum() / 2
    assert outcome.history["train.suboptimality"].values[-1] == pytest.approx(exact, rel=1e-9)
    assert outcome.history["loss"].values[-1] != pytest.approx(exact, rel=1e-3)


def test_steps_are_those_of_a_loop_by_hand(plan: MakePlan) -> None:
    text = spec(
        "rosenbrock", "", '[optimizer]\nname = "SGD"\nlr = 1e-3\n[run]\nsteps = 5\ndtype = "float64"\nseeds = [3]'
    )
    [outcome] = trained(plan, text).values()
    torch.manual_seed(3)
    found = REGISTRY.find("model", "rosenbrock").load()()
    x, y = found.start["x"].item(), found.start["y"].item()
    for _ in range(5):
        slope = y - x**2
        x, y = x - 1e-3 * (-2 * (1 - x) - 400 * x * slope), y - 1e-3 * 200 * slope
    assert outcome.parameters == pytest.approx({"x": x, "y": y}, rel=1e-12)


def test_a_delayed_gradient_is_that_of_the_parameters_so_many_steps_ago(plan: MakePlan) -> None:
    rest = '[optimizer]\nname = "SGD"\nlr = 0.5\n[run]\nsteps = 9\ndtype = "float64"'
    [outcome] = trained(plan, spec("quadratic", "size = 1\ncondition = 1.0\ndelay = 2", rest)).values()
    torch.manual_seed(0)
    path = [REGISTRY.find("model", "quadratic").load()(size=1).start["x"].item()] * 3
    for _ in range(9):
        path.append(path[-1] - 0.5 * path[-3])
    assert outcome.parameters == pytest.approx({"x": path[-1]}, rel=1e-12)


def test_time_goes_on_with_steps_and_stands_still_in_evaluations(plan: MakePlan) -> None:
    @objective("my.clock")
    def clock() -> Objective:
        def loss(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return x * 0 + t

        return Objective(loss, {"x": torch.zeros(())})

    rest = '[optimizer]\nname = "SGD"\nlr = 0.5\n[run]\nsteps = 4\nevaluate_every = 2\nrecord_every = 1'
    [outcome] = trained(plan, spec("my.clock", "", rest)).values()
    assert outcome.history["loss"].values.tolist() == [0, 1, 2, 3]
    assert outcome.history["train.suboptimality"].values.tolist() == [0, 2, 4]


def test_noise_is_that_of_the_seed(plan: MakePlan) -> None:
    rest = '[optimizer]\nname = "SGD"\nlr = {{ grid = [0.1, 0.2] }}\n[run]\nsteps = 1\nseeds = {}'
    losses: dict[tuple[int, Any], float] = {}
    for seeds in ("[0, 1]", "[1, 2]"):
        [cohort] = plan(spec("heavy_tails", "", rest.format(seeds))).cohorts(set())
        outcomes = all_together(cohort.runs, "traced")
        for run in cohort.runs:
            loss = float(outcomes[run.id].history["loss"].values[0])
            assert losses.setdefault((run.seed, run.choices["optimizer"].settings["lr"]), loss) == loss
    assert len(set(losses.values())) == 3  # one a seed, the same for both rates


def test_noise_start_and_task_are_drawn_apart(plan: MakePlan) -> None:
    """A generator takes 32 bits of a seed, so that equal ones can hide behind large sums."""
    run = plan(spec("noisy_quadratic", "size = 6", RULES)).runs[0]
    work = make_workload(REGISTRY, run, CPU)
    start = next(iter(work.make_model(run.seed).parameters())).detach()
    (noise, _), (later, _) = islice(work.feed.alone(run.seed), 2)
    drawn = [start.double(), noise[0].double(), later[0].double(), torch.randn(6, generator=task_generator(run.seed))]
    assert len({tuple(round(float(value), 4) for value in part) for part in drawn}) == 4
    assert len({round(float(value), 4) for part in drawn for value in part}) == 24


def test_the_truth_of_an_objective_is_its_minimizer(plan: MakePlan) -> None:
    rest = '[optimizer]\nname = "SGD"\nlr = 1e-9\n[run]\nsteps = 1\ndtype = "float64"\nmetrics = ["parameter_error"]'
    [outcome] = trained(plan, spec("himmelblau", "spread = 0.0", rest)).values()
    assert outcome.history["train.parameter_error"].values[-1] == pytest.approx(3.0, abs=1e-5)
    assert "train.suboptimality" in outcome.history


def test_constants_have_the_precision_of_the_run(plan: MakePlan) -> None:
    run = plan(spec("quadratic", "rotated = true", RULES.replace("float64", "float32"))).runs[0]
    work = make_workload(REGISTRY, run, CPU)
    module: Any = work.make_model(0)
    assert {value.dtype for value in module.constants.values()} == {torch.float32}
    assert module(work.train.inputs).dtype == torch.float32


REFUSED = {
    '[data]\nname = "line"': "data: rosenbrock is an objective, which brings its own data",
    '[loss]\nname = "MSELoss"': "loss: rosenbrock is an objective, which brings its own loss",
    "epochs = 3": "run.epochs: rosenbrock is an objective, which has no rows and so no epochs",
    '[[model]]\nname = "mlp"': "rosenbrock is an objective, which has no data, and 'mlp' needs some",
    "nothing": "",
}


@pytest.mark.parametrize("more", REFUSED)
def test_what_an_objective_brings_is_not_given(more: str) -> None:
    run = more if more.startswith("epochs") else "steps = 3"
    section = more if more.startswith("[") else ""
    text = f'[[model]]\nname = "rosenbrock"\n{section}\n[optimizer]\nname = "SGD"\nlr = 0.1\n[run]\n{run}'
    if not REFUSED[more]:
        resolve(read_spec(read_text(text, "spec.toml")), REGISTRY)
        return
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_text(text, "spec.toml")), REGISTRY)
    [problem] = caught.value.problems
    assert REFUSED[more].removeprefix(f"{problem.dotted}: ") in problem.message


def test_other_models_still_need_data_and_a_loss() -> None:
    text = '[model]\nname = "mlp"\n[optimizer]\nname = "SGD"\nlr = 0.1\n[run]\nsteps = 3'
    with pytest.raises(SpecError, match=r"the spec is missing \[data\] \[loss\]"):
        resolve(read_spec(read_text(text, "spec.toml")), REGISTRY)


def test_what_an_objective_brings_is_of_no_use_to_others(line_spec: str) -> None:
    for old, new in (
        ('name = "line"\nsamples = 20', 'name = "objective"'),
        ('"MSELoss"', '"objective"'),
        ("steps = 5", 'steps = 5\nmetrics = ["suboptimality"]'),
        ("steps = 5", 'steps = 5\nmetrics = [{ name = "suboptimality", label = "s" }]'),
    ):
        assert old in line_spec
        with pytest.raises(SpecError, match="is what an objective brings, and this model is none"):
            resolve(read_spec(read_text(line_spec.replace(old, new), "spec.toml")), REGISTRY)


def test_an_objective_takes_settings_only() -> None:
    with pytest.raises(PluginError, match="is called with settings only"):
        objective("my.rows")(lambda x, y: None)


def test_a_third_partys_objective_is_checked_without_torch(tmp_path: Path) -> None:
    plugin = tmp_path / "my_objective.py"
    plugin.write_text(
        "from xprun.plugins import Objective, Positive, objective\n\n\n"
        '@objective("my.bowl")\n'
        "def bowl(*, height: Positive = 2.0) -> Objective:\n"
        '    """height x^2: a bowl."""\n'
        "    import torch\n\n"
        '    return Objective(lambda x: height * x**2, {"x": torch.ones(())})\n',
        encoding="utf-8",
    )
    text = '[model]\nname = "my.bowl"\nheight = 1\n[optimizer]\nname = "SGD"\nlr = 0.1\n[run]\nsteps = 30\n'
    (tmp_path / "bowl.toml").write_text(text, encoding="utf-8")
    code = (
        "import sys; from xprun.runner.cli.main import main\n"
        "try:\n    main(['check', 'bowl.toml', '--plugin', 'my_objective.py'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ok, 1 run" in done.stdout
