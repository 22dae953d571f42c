"""The schema that editors use takes what xprun takes, and refuses what a schema can refuse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from xprun.plugins import Layer, Positive, metric, optimizer
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.starters import SPEC
from xprun.runner.resolve.json_schema import make_schema
from xprun.specs import RunSettings
from xprun.specs.language.library import shipped_specs


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = make_schema(open_registry())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


# What is wrong with these stands between two places of a spec, in another file, or in what a sweep computes.
BEYOND_A_SCHEMA = re.compile(
    "(label|ablate|compare|exclude|extends|idle|reference|expect)-|sweep-(bomb|samples|with|wrong-computed)|type-(64|infinite)"
    "|scheduler-(overflow|too-long|negative-power|below-zero|one-cycle)|confirm-overlap|data-text|loss-class-weights-(twice|none)|setting-model-heads"
    "|folds-(ablated|and|of|too)|parts-|transform-|recipe-(autocast-manual|clip-(line|twice))|goal-|unset-not-there|optimizer-nesterov|train-"
    "|problem-(not-there|shipped|outside|lists|in-base|labels|claim|goals|set-target|exclusion|missing)"
)
BAD = sorted(
    p for p in (Path(__file__).parents[2] / "specs/language/bad").glob("*.toml") if not BEYOND_A_SCHEMA.match(p.stem)
)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_bad_specs_of_the_language_are_refused(path: Path, validator: Draft202012Validator) -> None:
    try:
        data = tomli.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except (ValueError, RecursionError):
        return  # no TOML: an editor tells so without a schema
    assert not validator.is_valid(data)


@pytest.mark.parametrize("name", shipped_specs())
def test_shipped_specs_are_valid(name: str, validator: Draft202012Validator) -> None:
    validator.validate(tomli.loads(shipped_specs()[name].read_text(encoding="utf-8")))


def test_problems_are_valid(validator: Draft202012Validator) -> None:
    problem = """
[[optimizer]]
name = "SGD"
[[problem]]
extends = "xprun:problems/line"
unset = ["run.dtype"]
[[problem]]
label = "line"
data = { name = "line" }
model = { name = "linear" }
loss = { name = "MSELoss" }
run = { steps = 5 }
compare = { target = { "loss" = 0.1 } }
"""
    validator.validate(tomli.loads(problem))


def test_the_started_spec_is_valid(validator: Draft202012Validator) -> None:
    validator.validate(tomli.loads(SPEC))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("[loss]", "[lossy]"),
        ('name = "MSELoss"', ""),
        ('"scratch.gd"', '"scratch.dg"'),
        ("lr = 0.1", "learning_rate = 0.1"),
        ("lr = 0.1", 'lr = "fast"'),
        ("lr = 0.1", "lr = true"),
        ("lr = 0.1", "lr = -0.1"),
        ("lr = 0.1", "lr = { grid = [0.1, 0] }"),
        ("lr = 0.1", "lr = { grid = [] }"),
        ("lr = 0.1", "lr = { logspace = [0.1, 1.0] }"),
        ("lr = 0.1", "lr = { logspace = [0.1, 1.0], num = 0 }"),
        ("lr = 0.1", "lr = { grit = [0.1] }"),
        ("lr = 0.1", 'groups = { "b" = { lrr = 0.1 } }'),
        ("lr = 0.1", 'groups = { "b" = { lr = -0.1 } }'),
        ("lr = 0.1", 'groups = { "b" = {} }'),
        ("samples = 20", "samples = 2.5"),
        ("samples = 20", "k_folds = { grid = [2, 3] }"),
        ("samples = 20", "k_folds = { range = [2, 5] }"),
        ("steps = 5", 'steps = 5\nengine = { grid = ["alone"] }'),
        ("steps = 5", 'steps = 5\nmetrics = { grid = ["mae"] }'),
        ('"full"', '"fully"'),
        ("steps = 5", "step = 5"),
        ("steps = 5", ""),
        ("steps = 5", "steps = 5\nepochs = 1"),
        ("steps = 5", 'steps = 5\nmetrics = ["accurracy"]'),
        ("steps = 5", "steps = 5\nseeds = { grid = [1, 2] }"),
        ("steps = 5", "steps = 5\nstop = { loss_bellow = 1 }"),
        ("[data]", 'device = "gpu"\n[data]'),
        ("lr = 0.1", "lr = { loguniform = [0.0, 1.0], samples = 3 }"),
        ("lr = 0.1", "lr = { range = [0.1, 1.0, 0] }"),
        ("steps = 5", "steps = 5\nseeds = [1, 1]"),
        ("lr = 0.1", "lr = { uniform = [0.1, 1.0] }"),
        ("[data]", 'ablate = { "optimiser.lr" = 10 }\n[data]'),
        ("[data]", "exclude = []\n[data]"),
        ("[data]", 'extends = "base.toml"\nlosss = 1\n[data]'),
        ('name = "linear"', "layers = [{ in_features = 1 }]"),
        ('name = "linear"', 'layers = [{ name = "Linear" }]'),
        ('name = "linear"', 'layers = [{ name = "Linear", in_features = 1, out_features = "a" }]'),
        ('name = "linear"', 'name = "linear"\ninit = { w = { name = "ones" } }'),
    ],
)
def test_a_mistake_is_refused(good: str, bad: str, validator: Draft202012Validator, line_spec: str) -> None:
    assert validator.is_valid(tomli.loads(line_spec))
    assert good in line_spec
    assert not validator.is_valid(tomli.loads(line_spec.replace(good, bad, 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lr = 0.1", "lr = { grid = [0.1, 1] }"),
        ("lr = 0.1", "lr = { logspace = [0.1, 1.0], num = 3 }"),
        ("lr = 0.1", 'groups = { "b" = { lr = 0.1 }, "*.weight" = { lr = { grid = [0.1, 0.2] } } }'),
        ("[optimizer]", "[[optimizer]]"),
        ("samples = 20", "samples = { range = [10, 30, 10] }"),
        ('batch_size = "full"', 'batch_size = { grid = [1, "full"] }'),
        ('name = "scratch.gd"\nlr = 0.1', 'name = "Adam"\nbetas = [{ grid = [0.8, 0.9] }, 0.99]\nlabel = "mine"'),
        ('name = "linear"', 'layers = [{ name = "Linear", in_features = 1, out_features = { grid = [1, 2] } }]'),
        ("steps = 5", "steps = { grid = [5, 6] }\nseeds = [1, 2]"),
        ("lr = 0.1", 'lr = { loguniform = [0.01, 1.0], samples = 3, with = "tag" }'),
        ("lr = 0.1", 'lr = "${data.samples}"'),
        ("[data]", 'exclude = [{ "optimizer.lr" = 1.0 }]\nablate = { "data.samples" = 10 }\n[data]'),
        ('[optimizer]\nname = "scratch.gd"', 'extends = "base.toml"\n[optimizer]'),
    ],
)
def test_sweeps_may_stand_in_the_place_of_settings(
    old: str, new: str, validator: Draft202012Validator, line_spec: str
) -> None:
    assert old in line_spec
    text = line_spec.replace(old, new)
    top, _, rest = text.partition('extends = "base.toml"')
    validator.validate(tomli.loads(text if not rest else f'extends = "base.toml"{top}{rest}'))


OBJECTIVE = {"model": {"name": "quadratic"}, "optimizer": {"name": "SGD", "lr": 0.1}, "run": {"steps": 3}}


def test_objectives_have_neither_data_nor_a_loss(validator: Draft202012Validator) -> None:
    validator.validate(OBJECTIVE)
    validator.validate({**OBJECTIVE, "model": [{"name": "quadratic"}, {"name": "beale"}]})
    assert not validator.is_valid({**OBJECTIVE, "data": {"name": "line"}})
    assert not validator.is_valid({**OBJECTIVE, "loss": {"name": "MSELoss"}})
    assert not validator.is_valid({**OBJECTIVE, "model": {"name": "linear"}})
    assert not validator.is_valid({key: value for key, value in OBJECTIVE.items() if key != "optimizer"})


@pytest.mark.parametrize("item", ["mae", {"name": "mae"}, {"name": "mae", "label": "error"}, {"nam": "mae"}, 3])
def test_metrics_have_the_forms_that_the_language_takes(
    item: Any, validator: Draft202012Validator, line_spec: str
) -> None:
    spec: dict[str, Any] = tomli.loads(line_spec)
    spec["run"]["metrics"] = [item]
    assert validator.is_valid(spec) == takes(spec["run"])


def takes(run: dict[str, Any]) -> bool:
    try:
        RunSettings.model_validate(run)
    except ValidationError:
        return False
    return True


def test_installed_components_are_known_with_their_documentation_and_bounds(line_spec: str) -> None:
    @optimizer("mine.rule")
    def rule(w: float, g: float, *, strength: Positive = 0.5, inner: list[Layer] | None = None) -> float:
        """Pulls as hard as it is told."""
        return w

    @metric("mine.metric")
    def measure(prediction: float, target: float) -> float:
        return 0.0

    schema = make_schema(REGISTRY)
    mine = schema["$defs"]["optimizer.mine.rule"]
    assert mine["description"] == "Pulls as hard as it is told."
    assert mine["properties"]["strength"] == {"$ref": "#/$defs/number-above-0", "default": 0.5}
    spec: dict[str, Any] = tomli.loads(line_spec)
    spec["optimizer"] = {"name": "mine.rule", "strength": 0.1, "inner": [{"name": "ReLU"}]}
    spec["run"]["metrics"] = ["mine.metric"]
    Draft202012Validator(schema).validate(spec)


def test_the_schema_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from xprun.runner.cli.main import main\n"
        "try: main(['schema'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "xprun.schema.json").stat().st_size < 2_000_000
