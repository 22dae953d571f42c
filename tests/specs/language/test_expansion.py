"""A spec expands to the runs that its alternatives, sweeps and seeds stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Run, Spec, SpecError, count_runs, expand, read_document, read_spec

Write = Callable[[str], Path]


def load(path: Path, *sets: str) -> Spec:
    return resolve(read_spec(read_document(path, sets)), REGISTRY)


def ids(runs: list[Run]) -> list[str]:
    return [run.id for run in runs]


def test_alternatives_sweep_their_own_settings(write: Write, line_spec: str) -> None:
    more = '[[optimizer]]\nname = "SGD"\nlr = { grid = [0.1, 0.2] }\nmomentum = { grid = [0.0, 0.5, 0.9] }\n'
    text = line_spec.replace("[optimizer]", "[[optimizer]]").replace("[run]", more + "[run]\nseeds = [3, 5]")
    spec = load(write(text))
    runs = expand(spec)
    assert count_runs(spec) == len(runs) == (1 + 2 * 3) * 2
    assert {run.seed for run in runs} == {3, 5}
    assert [run.choices["optimizer"].settings["lr"] for run in runs[:6:2]] == [0.1, 0.1, 0.1]
    assert len(set(ids(runs))) == len(runs)


def test_any_setting_may_sweep_however_deep_and_in_any_section(write: Write, line_spec: str) -> None:
    layers = '[{ name = "Linear", in_features = 1, out_features = 1, bias = { grid = [true, false] } }]'
    text = line_spec.replace('name = "linear"', f"layers = {layers}").replace("steps = 5", "steps = { range = [1, 4] }")
    runs = expand(load(write(text)))
    assert [run.choices["model"].settings["layers"][0]["bias"] for run in runs[:2]] == [True, False]
    assert [run.settings.steps for run in runs] == [1, 1, 2, 2, 3, 3]


def test_an_id_depends_on_what_is_computed_and_on_nothing_else(write: Write, line_spec: str) -> None:
    same = [
        line_spec,
        'title = "other"\n' + line_spec,
        line_spec.replace("lr = 0.1", 'lr = 0.1\nlabel = "mine"'),
        line_spec.replace('batch_size = "full"\n', "").replace('"line"\n', '"line"\nbatch_size = "full"\nw = 3\n'),
        line_spec + "[compare]\ngoal = 'max'\n",
    ]
    first = ids(expand(load(write(line_spec))))
    assert all(ids(expand(load(write(text)))) == first for text in same)
    other = [line_spec.replace("0.1", "0.2"), line_spec.replace("steps = 5", "steps = 6"), line_spec + "seeds = [1]\n"]
    assert all(ids(expand(load(write(text)))) != first for text in other)


def test_adding_a_seed_keeps_the_ids_of_the_others(write: Write, line_spec: str) -> None:
    two, three = (ids(expand(load(write(line_spec + f"seeds = {n}\n")))) for n in (2, 3))
    assert three[:2] == two


def test_a_bomb_is_counted_not_built(write: Write, line_spec: str) -> None:
    text = line_spec.replace("lr = 0.1", "lr = { linspace = [0.1, 1.0], num = 1_000_000_000 }")
    with pytest.raises(SpecError, match=r"12:6: optimizer.lr: the spec expands to 1,000,000,000 runs"):
        load(write(text))


def test_alternatives_of_one_name_get_labels_that_tell_them_apart(write: Write, line_spec: str) -> None:
    more = '[[optimizer]]\nname = "SGD"\nmomentum = 0.9\n[[optimizer]]\nname = "SGD"\n[[optimizer]]\nname = "SGD"\n'
    text = line_spec.replace("[optimizer]", "[[optimizer]]").replace("[run]", more + "[run]")
    labels = [a.label for a in load(write(text)).sections["optimizer"]]
    assert labels == ["scratch.gd", "SGD momentum=0.9", "SGD", "SGD #2"]


def test_a_sweep_of_one_setting_in_a_set_option(write: Write, line_spec: str) -> None:
    runs = expand(load(write(line_spec), "optimizer.lr=[0.1, 0.2, 0.3]", "run.seeds=2"))
    assert len(runs) == 6
