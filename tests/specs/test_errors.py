"""Every mistake in a spec gives one clear message at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.check import resolve
from xprun.specs import SpecError, read_document, read_spec

CASES = {
    "unknown section": ("[loss]", "[lossy]", "there is no such section; did you mean 'loss'?"),
    "missing section": ('[loss]\nname = "MSELoss"\n', "", "the spec lacks [loss]"),
    "unknown component": (
        "scratch.gd",
        "scratch.dg",
        "there is no optimizer named 'scratch.dg'; did you mean 'scratch.gd'?",
    ),
    "component without namespace": ('"scratch.gd"', '"momentun"', "did you mean 'scratch.momentum'?"),
    "no name": ('name = "MSELoss"', "", "loss.name: is missing"),
    "unknown setting": ("lr = 0.1", "learning_rate = 0.1", "scratch.gd has no such setting; did you mean 'lr'?"),
    "wrong type": ("lr = 0.1", 'lr = "fast"', '12:6: optimizer.lr: must be a number, not "fast"'),
    "bool is no number": ("lr = 0.1", "lr = true", "must be a number, not true"),
    "out of bounds": ("lr = 0.1", "lr = -0.1", "must be greater than 0, not -0.1"),
    "not finite": ("lr = 0.1", "lr = inf", "must be finite"),
    "fraction for a count": ("samples = 20", "samples = 2.5", "must be a whole number, not 2.5"),
    "wrong value in a grid": (
        "lr = 0.1",
        "lr = { grid = [0.1, 0] }",
        "optimizer.lr.grid[1]: must be greater than 0, not 0",
    ),
    "empty grid": ("lr = 0.1", "lr = { grid = [] }", "this grid has no values"),
    "unknown run setting": ("steps = 5", "step = 5", "[run] has no such setting; did you mean 'steps'?"),
    "no length": ("steps = 5", "", "does not say how long a run is"),
    "two lengths": ("steps = 5", "steps = 5\nepochs = 1", "says both epochs and steps"),
    "unknown metric": ("steps = 5", 'steps = 5\nmetrics = ["accurracy"]', "run.metrics[0]: there is no metric named"),
    "no seeds": ("steps = 5", "steps = 5\nseeds = []", "must name at least one seed"),
    "swept seeds": ("steps = 5", "steps = 5\nseeds = { grid = [1, 2] }", "seeds cannot be swept"),
    "unknown result": ("[run]", '[compare]\nmetric = "valid.loss"\n[run]', "the runs of this spec have no such result"),
    "unknown baseline": ("[run]", '[compare]\nbaseline = "SGD"\n[run]', "no alternative is labelled 'SGD'"),
    "bad device": ("[data]", 'device = "gpu"\n[data]', "device: "),
    "section is a number": ("[run]\nsteps = 5", "[[run]]", "run: must be a table, not [{}]"),
    "layer without a name": (
        'name = "linear"',
        "layers = [{ in_features = 1 }]",
        "model.layers[0]: does not name its layer",
    ),
    "layer lacks a setting": ('name = "linear"', 'layers = [{ name = "Linear" }]', "needs the setting 'in_features'"),
    "unknown init": ('name = "linear"', 'name = "linear"\ninit = { w = { name = "ones" } }', "did you mean 'ones_'?"),
}


def complaints(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(path)), REGISTRY)
    return str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_gives_one_message(case: str, write: Callable[[str], Path], line_spec: str) -> None:
    good, bad, message = CASES[case]
    assert good in line_spec
    text = complaints(write(line_spec.replace(good, bad, 1)))
    assert message in text
    assert "Traceback" not in text


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(
    write: Callable[[str], Path], line_spec: str
) -> None:
    text = line_spec.replace("samples", "smaples").replace("MSELoss", "MSLoss").replace("lr = 0.1", "lr = 'a'")
    found = [line for line in complaints(write(text)).splitlines() if "spec.toml:" in line]
    assert [line.split(": ")[1] for line in found] == ["data.smaples", "loss.name", "optimizer.lr"]


def test_an_unknown_setting_lists_the_known_ones(write: Callable[[str], Path], line_spec: str) -> None:
    text = complaints(write(line_spec.replace('"scratch.gd"\nlr', '"SGD"\nlearning_rate')))
    assert "SGD takes lr, momentum, dampening, weight_decay, nesterov, maximize" in text
