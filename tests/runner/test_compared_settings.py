"""A sweep is a comparison: its values are alternatives, where `compare.by` says so or nothing else is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun import Results, run
from xprun.runner.cli.main import main

BASE = """
[data]
name = "line"
samples = 20

[model]
name = "linear"

[loss]
name = "MSELoss"

[optimizer]
name = "SGD"
{optimizer}

[run]
steps = 5
seeds = 6
{run}
"""
LR = "lr = { grid = [0.1, 0.01] }"
TWO = LR + "\nmomentum = { grid = [0.0, 0.9] }"


def _twice(spec: str) -> str:
    return spec.replace("[optimizer]", "[[optimizer]]")


@pytest.fixture
def results(tmp_path: Path, write: Callable[[str], Path]) -> Callable[..., Results]:
    def train(optimizer: str, more: str = "", rest: str = "") -> Results:
        return run(
            write((_twice(BASE) if "[[" in optimizer else BASE).format(optimizer=optimizer, run=more) + rest),
            output=tmp_path / "out",
            quiet=True,
        )

    return train


def page(results: Results) -> str:
    results.report(["md"])
    return (results.folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("optimizer", "more", "labels"),
    [
        (LR, "", {"lr=0.1", "lr=0.01"}),
        (TWO, "", {f"lr={lr} · momentum={m}" for lr in (0.1, 0.01) for m in (0, 0.9)}),
        ("lr = 0.1", "dtype = { grid = ['float32', 'float64'] }", {"dtype=float32", "dtype=float64"}),
        ("lr = 0.1\nnesterov = { grid = [true, false] }\nmomentum = 0.9", "", {"nesterov=true", "nesterov=false"}),
        ('lr = { grid = [0.1, 0.01], with = "t" }\nmomentum = { grid = [0.0, 0.9], with = "t" }', "", {
            "lr=0.1 · momentum=0", "lr=0.01 · momentum=0.9",
        }),
    ],
)  # fmt: skip
def test_values_are_compared_where_nothing_else_is(
    results: Callable[..., Results], optimizer: str, more: str, labels: set[str]
) -> None:
    text = page(results(optimizer, more))
    assert "there is no other alternative" not in text
    ranked = {
        line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ") and "±" in line
    }
    assert ranked == labels
    assert "Exploratory" not in text, "nothing was chosen"


@pytest.mark.parametrize(
    ("optimizer", "rest"),
    [
        ("lr = { loguniform = [0.01, 0.1], samples = 3 }", ""),
        (LR, "\n[confirm]\nseeds = 6\n"),
        ("lr = { logspace = [0.001, 0.1], num = 13 }", ""),
    ],
    ids=["random", "confirmed", "many"],
)
def test_a_search_for_a_setting_compares_none(results: Callable[..., Results], optimizer: str, rest: str) -> None:
    assert "there is no other alternative" in page(results(optimizer, rest=rest))


def test_other_settings_are_chosen_at_each_value_and_confirmed(results: Callable[..., Results]) -> None:
    found = results(TWO, rest='\n[compare]\nby = "optimizer.momentum"\nbaseline = "momentum=0"\n[confirm]\nseeds = 6\n')
    confirmed = found.runs[found.runs["stage"] == "confirm"]
    assert confirmed.groupby("optimizer.momentum").size().to_dict() == {0.0: 6, 0.9: 6}
    text = page(found)
    assert "Each alternative (a value of optimizer.momentum) at its best setting" in text
    assert "## Against momentum=0" in text
    assert "sensitivity-optimizer.momentum" in text, "the plot over a setting stays"


def test_sections_and_settings_make_an_alternative_together(results: Callable[..., Results]) -> None:
    two = LR + '\n\n[[optimizer]]\nname = "Adam"\nlr = { grid = [0.1, 0.01] }\n'
    by = '\n[compare]\nby = ["optimizer", "optimizer.lr"]\nbaseline = "SGD · lr=0.1"\n'
    text = page(results(two, rest=by))
    assert all(f"| {name} · lr={lr}" in text for name in ("SGD", "Adam") for lr in (0.1, 0.01))
    assert "Each alternative (a labelled optimizer at a value of optimizer.lr)" in text


def test_folders_of_swept_values_are_compared(
    results: Callable[..., Results], tmp_path: Path, write: Callable[[str], Path]
) -> None:
    first = results(TWO)
    run(write(BASE.format(optimizer=TWO, run="")), output=tmp_path / "other", quiet=True)
    told = CliRunner().invoke(main, ["diff", str(first.folder), str(tmp_path / "other")])
    assert told.exit_code == 0, told.output
    assert "lr=0.1 · momentum=0.9" in told.stdout
