"""What the page says of settings that were swept: lines over those that vary alone, points for draws of several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import Case
from xprun import run
from xprun.reports.data.results_folder import read_tables
from xprun.reports.page.report_page import make_page

SPEC = """
[data]
name = "line"
samples = 20
batch_size = {batch}

[model]
name = "linear"

[loss]
name = "MSELoss"

[[optimizer]]
name = "SGD"
{optimizer}

[[optimizer]]
name = "Adam"
lr = 0.1

[run]
steps = 5
seeds = 2
{run}
"""
DRAWN = "lr = { loguniform = [1e-3, 0.1], samples = 6 }\nmomentum = { uniform = [0.0, 0.9], samples = 6 }"
TAGGED = 'lr = { grid = [0.1, 0.01], with = "t" }\nmomentum = { grid = [0.0, 0.9], with = "t" }'
WORDS = (
    "lr = { loguniform = [1e-3, 0.1], samples = 6 }\nnesterov = { choice = [true, false], samples = 6 }\nmomentum = 0.9"
)
CROSSED = "lr = { grid = [0.1, 0.01] }\nmomentum = { grid = [0.0, 0.9] }"
INDEPENDENT = (
    "lr = { loguniform = [1e-3, 0.1], samples = 3 }\n"
    'momentum = { uniform = [0.0, 0.9], samples = 2, with = "own" }\nweight_decay = { grid = [0.0, 0.1], with = "own" }'
)


@pytest.fixture
def page(tmp_path: Path, write: Callable[[str], Path]) -> Callable[..., tuple[str, set[str]]]:
    def make(optimizer: str, batch: str = "20", settings: str = "") -> tuple[str, set[str]]:
        spec = write(SPEC.format(optimizer=optimizer, batch=batch, run=settings))
        folder = run(spec, output=tmp_path / "out", quiet=True).report(["md", "html"])[0].parent
        plots = {path.stem for path in (tmp_path / "out" / "plots").iterdir()}
        assert folder.is_dir()
        return (tmp_path / "out" / "report.md").read_text(encoding="utf-8"), plots

    return make


@pytest.mark.parametrize(
    ("optimizer", "settings", "keys"),
    [
        (DRAWN, "", ["optimizer.lr", "optimizer.momentum"]),
        (TAGGED, "", ["optimizer.lr", "optimizer.momentum"]),
        (WORDS, "", ["optimizer.lr"]),
        (
            "lr = { loguniform = [1e-3, 0.1], samples = 6 }",
            "clip_norm = { loguniform = [0.01, 1.0], samples = 6 }",
            ["optimizer.lr"],
        ),
    ],
    ids=["drawn", "tagged", "words", "in two sections"],
)
def test_settings_that_vary_together_are_points_without_line_or_range(
    page: Callable[..., tuple[str, set[str]]], optimizer: str, settings: str, keys: list[str]
) -> None:
    text, plots = page(optimizer, settings=settings)
    for key in keys:
        assert f"draws-{key}" in plots
        assert f"sensitivity-{key}" not in plots
        assert f"final loss against {key}. Best" in text
        assert "Varied together with" in text
        assert f"Range of good values: {key}" not in text
    assert not any(name.startswith("heat-") for name in plots)
    assert settings or "the other settings at their best" not in text, "of Adam the norm alone varies"


def test_a_setting_that_varies_alone_beside_draws_keeps_its_line(page: Callable[..., tuple[str, set[str]]]) -> None:
    text, plots = page(DRAWN, batch="{ grid = [5, 20] }")
    assert {"draws-optimizer.lr", "draws-optimizer.momentum", "sensitivity-data.batch_size"} <= plots
    assert "Range of good values: data.batch\\_size" in text.replace("_size", "\\_size").replace("\\\\", "\\")


def test_crossed_settings_have_lines_ranges_and_a_heat_map(page: Callable[..., tuple[str, set[str]]]) -> None:
    text, plots = page(CROSSED)
    assert {"sensitivity-optimizer.lr", "sensitivity-optimizer.momentum"} <= plots
    assert any(name.startswith("heat-") for name in plots)
    assert "Range of good values: optimizer.lr" in text


def test_a_draw_with_a_tag_of_its_own_is_crossed_with_the_others(page: Callable[..., tuple[str, set[str]]]) -> None:
    _, plots = page(INDEPENDENT)
    assert "sensitivity-optimizer.lr" in plots
    assert {"draws-optimizer.momentum", "draws-optimizer.weight_decay"} <= plots


@pytest.mark.parametrize("labels", [["SGD"], ["SGD", "Adam"]])
def test_no_stroke_of_a_page_has_two_meanings(make_folder: Callable[..., Path], labels: list[str]) -> None:
    cases = [Case(label, lr, [lr, lr + 0.1]) for label in labels for lr in (0.01, 0.1, 0.3)]
    tables = read_tables(make_folder(cases, by=["optimizer", "optimizer.lr"] if len(labels) > 1 else ["optimizer.lr"]))
    page = make_page(tables)
    names = [entry.name for entry in page.legend]
    assert len(names) == len(set(names)) == len({entry.number for entry in page.legend}) == 4 * len(labels)
    assert set(labels) < set(names)
