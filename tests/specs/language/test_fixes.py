"""An error of a spec says what to write instead, wherever that can be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import SpecError, read_document, read_spec

Write = Callable[..., Path]
OWN = {
    "data": 'name = "line"',
    "model": 'name = "linear"',
    "loss": 'name = "MSELoss"',
    "optimizer": 'name = "SGD"',
    "run": "steps = 20",
}


def complaint(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(path)), REGISTRY)
    return str(caught.value)


def spec(section: str, line: str) -> str:
    """Return a good spec with one line more in a section; `""` is the top of the spec."""
    sections = {name: f"{own}\n{line}" if name == section else own for name, own in OWN.items()}
    more = f"[{section}]\n{line}\n" if section and section not in OWN else ""
    head = line if not section else ""
    return f"{head}\n" + "".join(f"[{name}]\n{content}\n" for name, content in sections.items()) + more


@pytest.mark.parametrize(
    ("section", "line", "fix"),
    [
        ("", 'device = { grid = ["cpu", "cuda"] }', "run the spec once for each with --device and -o"),
        ("", 'title = { grid = ["a", "b"] }', "write one title"),
        ("", 'name = { choice = ["a", "b"], samples = 2 }', "write one name"),
        ("optimizer", 'label = { grid = ["a", "b"] }', "tables and plots show swept values by themselves"),
        ("run", "seeds = { grid = [1, 2] }", "write seeds = 5 or seeds = [0, 1, 2]"),
        ("run", "seeds = { range = [1, 4] }", "write seeds = 5 or seeds = [0, 1, 2]"),
        ("run", "search_seed = { grid = [1, 2] }", "for more draws, raise samples"),
        ("run", 'metrics = { grid = ["mae"] }', 'list all of them: metrics = ["mae", "rmse"]'),
        ("run", 'metrics = ["mae", { grid = ["rmse"] }]', 'list all of them: metrics = ["mae", "rmse"]'),
        ("run", 'engine = { grid = ["alone", "together"] }', "it changes no result"),
        ("run", "compile = { grid = [true, false] }", "it changes no result"),
        ("run", "timeout = { uniform = [1.0, 2.0], samples = 2 }", "it changes no result"),
        ("data", "k_folds = { grid = [2, 3] }", "write k_folds = 5"),
        ("confirm", "seeds = { grid = [5, 6] }", "write seeds = 10 or seeds = [10, 11, 12]"),
        ("compare", 'metric = { grid = ["loss", "train.loss"] }', "runs do not depend on it"),
        ("compare", "tolerance = { grid = [0.1, 0.2] }", "runs do not depend on it"),
    ],
)
def test_what_cannot_be_swept_says_so_once_and_what_to_do_instead(
    write: Write, section: str, line: str, fix: str
) -> None:
    said = complaint(write(spec(section, line)))
    assert said.count("cannot be swept") == len([one for one in said.splitlines() if not one.startswith(" ")]) == 1
    assert fix in said
    assert "did you mean 'grid'" not in said


@pytest.mark.parametrize("name", ['["SGD", "Adam"]', '{ grid = ["SGD", "Adam"] }', '"SGD,Adam"', '"SGD, Adam"'])
def test_several_components_are_alternatives(write: Write, name: str) -> None:
    said = complaint(write(spec("", "").replace('name = "SGD"', f"name = {name}")))
    assert "each" in said
    assert "write [[optimizer]] once for each" in said


@pytest.mark.parametrize(
    ("section", "line", "fix"),
    [
        ("optimizer", 'lr = "0.1"', "a value that is not a string has no quotes: 0.1"),
        ("optimizer", "lr = [0.1, 0.2]", "several values are a sweep: { grid = [0.1, 0.2] }"),
        ("optimizer", "lr = { values = [0.1, 0.2] }", "these values are a sweep: { grid = [0.1, 0.2] }"),
        ("optimizer", "lr = { min = 0.1, max = 1 }", "this is a sweep: { uniform = [0.1, 1], samples = 5 }"),
        ("optimizer", "lr = { low = 0.1, high = 1, log = true }", "{ loguniform = [0.1, 1], samples = 5 }"),
        ("optimizer", "lr = { start = 0.1, stop = 1, num = 4 }", "{ linspace = [0.1, 1], num = 4 }"),
        ("optimizer", "lr = { linspace = [0.1, 1, 4] }", "write { linspace = [0.1, 1], num = 4 }"),
        (
            "optimizer",
            "lr = { logspace = [0.1, 0.3, 1.0], num = 3 }",
            "these values alone are { grid = [0.1, 0.3, 1.0] }",
        ),
        ("optimizer", "lr = inf", "leave it out, or write a finite number"),
        ("optimizer", "nesterov = 1", "write true"),
        ("optimizer", "label = 5", 'a string has quotes: "5"'),
        ("optimizer", "groups = { weight_decay = 0.1 }", 'write groups = { "PATTERN" = { weight_decay = 0.1 } }'),
        ("data", "samples = 20.0", "an integer has no point: 20"),
        (
            "data",
            "samples = { linspace = [10, 15], num = 3 }",
            "integers are swept with { range = [start, stop, step] }",
        ),
        ("data", 'batch_size = "all"', "did you mean 'full'?"),
        ("run", 'metrics = "mae"', 'a list has brackets: ["mae"]'),
        ("run", 'seeds = "0,1,2"', "a list has brackets: [0, 1, 2]"),
        ("run", "stop = 5", "write stop = { patience = 5 }"),
        ("run", 'stop = "early"', "write stop = { patience = 5 }"),
        ("run", "stop = { patiense = 5 }", "did you mean 'patience'?"),
        ("run", "stop = { early = 5 }", "run.stop takes loss_below, metric_reached, patience, max_seconds"),
        ("run", "stop = { patience = { evals = 5 } }", "run.stop.patience takes evaluations, metric"),
        ("run", "average = { decay = 0.9 }", "run.average takes ema, swa_from"),
        ("run", "average = 0.9", "write average = { ema = 0.999 }"),
        ("run", 'dtype = "double"', "did you mean 'float64'?"),
        ("run", "lr = 0.1", "did you mean 'optimizer.lr'?"),
        ("data", "learning_rate = 0.1", "did you mean 'optimizer.lr'?"),
        ("", "lr = 0.1", "write lr = 0.1 under [optimizer]"),
        ("", "epochs = 5", "write epochs = 5 under [run]"),
        ("", 'device = "gpu"', "did you mean 'cuda'?"),
        ("exclude", '"optimizer.lr" = { grid = [0.1] }', "a list matches any of its values"),
    ],
)
def test_a_wrong_value_says_what_to_write(write: Write, section: str, line: str, fix: str) -> None:
    assert fix in complaint(write(spec(section, line)))


@pytest.mark.parametrize("line", ['dtype = "float16"', "epochs = true", "clip_norm = -1"])
def test_nothing_is_guessed_where_nothing_is_near(write: Write, line: str) -> None:
    said = complaint(write(spec("run", line).replace("steps = 20\n", "" if "epochs" in line else "steps = 20\n")))
    assert "did you mean" not in said
    assert len(said.splitlines()) == 3
