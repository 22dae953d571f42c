"""`[[problem]]`: each is a spec of its own, over what the listing spec says and under what is the same for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.ineffective_settings import notes_of
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Run, Spec, SpecError, count_runs, expand, read_document, read_spec
from xprun.specs.language.library import shipped_specs

Write = Callable[..., Path]
Load = Callable[..., Spec]
BASE = """
title = "a line"
[data]
name = "line"
samples = 20
valid = 0.2
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "Adam"
lr = 0.5
[scheduler]
name = "ExponentialLR"
gamma = 0.9
per = "epoch"
[run]
epochs = 7
seeds = 9
engine = "alone"
dtype = "float64"
[compare]
target = { "valid.loss" = 0.5 }
baseline = "Adam"
[confirm]
seeds = 4
"""
SPEC = """
[[optimizer]]
name = "SGD"
lr = { grid = [0.1, 0.2] }
[[optimizer]]
name = "Momentum"
[run]
seeds = 2
steps = 3
[[problem]]
extends = "base.toml"
[[problem]]
label = "noisy"
data = { name = "line", samples = 30, noise = 0.5, valid = 0.2 }
model = { name = "linear" }
loss = { name = "L1Loss" }
"""


@pytest.fixture
def load(write: Write) -> Load:
    """Return a function from the text of a spec, beside `base.toml`, and `--set` texts, to the resolved spec."""

    def loaded(text: str = SPEC, *sets: str, base: str = BASE) -> Spec:
        write(base, "base.toml")
        return resolve(read_spec(read_document(write(text.replace("Momentum", "RMSprop")), sets)), REGISTRY)

    return loaded


def of(spec: Spec, problem: str) -> list[Run]:
    return [run for run in expand(spec) if run.problem == problem]


def test_the_runs_are_those_of_all_problems(load: Load) -> None:
    spec = load()
    assert count_runs(spec) == len(expand(spec)) == 2 * 3 * 2
    assert [part.problem for part in spec.listed] == ["base", "noisy"]


def test_a_problem_is_trained_as_its_file_says_and_compared_as_the_spec_says(load: Load) -> None:
    run = of(load(), "base")[0]
    assert (run.settings.epochs, run.settings.steps, run.settings.dtype) == (7, None, "float64")
    assert (run.settings.seeds, run.settings.engine) == (2, "auto")
    assert {run.choices["optimizer"].name for run in of(load(), "base")} == {"SGD", "RMSprop"}
    assert "scheduler" not in run.choices
    assert load().confirm is None


def test_what_the_spec_says_holds_where_a_problem_says_nothing(load: Load) -> None:
    assert of(load(), "noisy")[0].settings.steps == 3


def test_a_problem_stands_over_what_it_extends(load: Load) -> None:
    text = SPEC.replace('extends = "base.toml"', 'extends = "base.toml"\nrun = { steps = 4 }\ndata = { samples = 25 }')
    run = of(load(text), "base")[0]
    assert (run.settings.epochs, run.settings.steps) == (None, 4)
    assert (run.choices["data"].settings["samples"], run.choices["data"].settings["batch_size"]) == (25, "full")


def test_unset_takes_away_what_a_problem_inherits(load: Load) -> None:
    text = SPEC.replace('extends = "base.toml"', 'extends = "base.toml"\nunset = ["run.dtype"]')
    assert of(load(text), "base")[0].settings.dtype == "float32"


def test_a_run_is_the_same_in_whatever_list_it_stands(load: Load) -> None:
    ids = {run.id for run in of(load(), "base")}
    relabelled = load(SPEC.replace('extends = "base.toml"', 'label = "other"\nextends = "base.toml"'))
    assert {run.id for run in of(relabelled, "other")} == ids
    head = SPEC.partition("[[problem]]")[0].replace("steps = 3", "")
    alone = load(f'extends = "base.toml"\nunset = ["scheduler", "confirm", "compare"]\n{head}')
    assert {run.id for run in expand(alone)} == ids
    assert {run.problem for run in expand(alone)} == {""}


def test_the_command_line_stands_over_every_problem(load: Load) -> None:
    runs = expand(load(SPEC, "run.epochs=1", "unset=run.steps"))
    assert {(run.problem, run.settings.epochs) for run in runs} == {("base", 1), ("noisy", 1)}
    runs = expand(load(SPEC, "problem[1].run.steps=9", "optimizer[1].lr=0.3"))
    assert {run.settings.steps for run in runs if run.problem == "noisy"} == {9}
    assert {run.choices["optimizer"].settings["lr"] for run in runs} == {0.1, 0.2, 0.3}


def test_a_mistake_on_the_command_line_is_told_there(load: Load) -> None:
    with pytest.raises(SpecError, match=r"^--set:1:22: problem\[1\]\.run\.steps: must be an integer"):
        load(SPEC, 'problem[1].run.steps="many"')


def test_an_exclusion_may_name_a_problem(load: Load) -> None:
    spec = load(SPEC + '[[exclude]]\nproblem = "noisy"\noptimizer = "SGD"\n')
    assert {run.choices["optimizer"].name for run in of(spec, "noisy")} == {"RMSprop"}
    assert len(of(spec, "base")) == 6


def test_each_problem_has_its_own_target(load: Load) -> None:
    spec = load(SPEC + 'compare = { target = { "valid.loss" = 0.3 } }\n' + '[compare]\ntarget = { "loss" = 1.0 }\n')
    assert [part.compare.target for part in spec.listed] == [{"valid.loss": 0.5}, {"valid.loss": 0.3}]
    assert {part.compare.baseline for part in spec.listed} == {None}


def test_problems_may_be_compared_by_the_steps_to_their_targets(load: Load) -> None:
    timed = SPEC.replace("[[problem]]", '[compare]\nmetric = "steps_to_target"\n[[problem]]', 1)
    timed += 'compare = { metric = "valid.loss", target = 0.3 }\n'
    assert [part.compare.metric for part in load(timed).listed] == ["steps_to_target"] * 2
    assert load(timed).listed[1].compare.target == {"valid.loss": 0.3}


def test_a_shipped_spec_is_extended_by_its_name(load: Load) -> None:
    text = SPEC.replace('extends = "base.toml"', 'extends = "xprun:line"')
    shipped = resolve(read_spec(read_document(shipped_specs()["line"])), REGISTRY)
    run = of(load(text), "line")[0]
    assert run.choices["model"].identity == expand(shipped)[0].choices["model"].identity
    own = load('extends = "xprun:optimizers"\n[run]\nepochs = 1\n')
    assert len(expand(own)) == count_runs(own) > 0


def test_a_list_of_problems_is_inherited(load: Load, write: Write) -> None:
    write(SPEC, "suite.toml")
    spec = load('extends = "suite.toml"\n[[optimizer]]\nname = "Adam"\n')
    assert {run.problem for run in expand(spec)} == {"base", "noisy"}
    assert {run.choices["optimizer"].name for run in expand(spec)} == {"Adam"}


def test_a_file_lies_beside_the_spec_that_names_it(load: Load, write: Write, tmp_path: Path) -> None:
    table = 'data = { name = "csv", file = "points.csv", target = "y", valid = 0.5 }'
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "points.csv").write_text("x,y\n1,2\n2,3\n3,4\n4,5\n", encoding="utf-8")
    (tmp_path / "points.csv").write_text("x,y\n1,2\n2,3\n3,4\n4,9\n", encoding="utf-8")
    rest = 'model = { name = "linear" }\nloss = { name = "MSELoss" }\nrun = { steps = 3 }\n'
    (tmp_path / "below" / "points.toml").write_text(f"{table}\n{rest}", encoding="utf-8")
    text = SPEC + f'[[problem]]\nextends = "below/points.toml"\n[[problem]]\nlabel = "here"\n{table}\n{rest}'
    spec = load(text)
    for problem, folder in (("points", tmp_path / "below"), ("here", tmp_path)):
        assert of(spec, problem)[0].choices["data"].settings["file"].path == (folder / "points.csv").resolve()
    assert {run.id for run in of(spec, "points")}.isdisjoint({run.id for run in of(spec, "here")})
    sonnets = load('extends = "xprun:sonnets"\n[run]\nepochs = 1\n')
    assert expand(sonnets)[0].choices["data"].settings["file"].path.name == "sonnets.txt"


def test_an_inherited_setting_without_effect_is_a_note(load: Load) -> None:
    spec = load(
        SPEC,
        base=BASE.replace("[run]", "[run]\nsearch_seed = 3\nrecord_every = 50\nsteps = 7").replace("epochs = 7\n", ""),
    )
    (note,) = notes_of(spec)
    assert "base.toml" in note
    assert note.endswith('unset = ["run.record_every"] in the problem takes it away')


def test_a_setting_of_all_problems_may_have_no_effect_on_one(load: Load) -> None:
    spec = load(SPEC.replace("seeds = 2", "seeds = 2\nevaluate_every = 6").replace("L1Loss", "MSELoss"))
    assert list(notes_of(spec)) == []


def test_references_of_a_file_are_those_of_its_problem(load: Load) -> None:
    spec = load(base=BASE.replace("seeds = 9", 'seeds = 9\nevaluate_every = "${run.epochs}"'))
    assert of(spec, "base")[0].settings.evaluate_every == 7
