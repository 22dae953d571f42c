"""`data.json` becomes a section; whatever else it holds costs that section alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case
from xprun.reports import write_report
from xprun.reports.data.described_data import read_data_sets

PART = {"part": "train", "rows": 4, "inputs": "[2] float32", "targets": "[] int64", "classes": 2, "counts": [3, 1]}
POINTS = {"label": "moons", "parts": [PART], "classes": ["one", "two"], "points": [[0, 1, 0], [1, 0, 1], [2, 2, 0]]}


def test_classes_are_told_by_name_and_points_drawn(make_folder: Callable[..., Path]) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9, 0.8])])
    (folder / "data.json").write_text(json.dumps([POINTS]), encoding="utf-8")
    write_report(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert r"| train | 4 | \[2\] float32 | 2 classes |" in text
    assert "| one | 3 (75%) |" in text
    assert (folder / "plots" / "data-1.png").is_file()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}x",
        "3",
        '["a"]',
        '[{"label": "a"}]',
        '[{"label": "a", "parts": [3]}]',
        '[{"label": "a", "parts": [], "points": [1, [2]]}]',
        '[{"label": "a", "parts": [], "images": {"shape": [1, 2], "pixels": "AA==", "targets": []}}]',
        "[" * 100_000,
    ],
)
def test_what_is_no_description_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.json").write_text(content, encoding="utf-8")
    assert read_data_sets(tmp_path / "data.json") == []


def test_nothing_is_there(tmp_path: Path) -> None:
    found: list[Any] = read_data_sets(tmp_path / "data.json")
    assert found == []


def test_the_learned_equation_stands_beside_the_true_one(make_folder: Callable[..., Path]) -> None:
    more = {"param.0.weight[0]": 1.9996, "param.0.weight[1]": -3.4, "param.0.bias": 4.2}
    folder = make_folder([Case("SGD", 0.1, [0.9], more)])
    summary = {"label": "digits", "parts": [PART], "truth": {"w": [2.0, -3.4], "b": [4.2]}}
    (folder / "data.json").write_text(json.dumps([summary]), encoding="utf-8")
    write_report(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "SGD has learned y = 2 x1 - 3.4 x2 + 4.2; the data are drawn from y = 2 x1 - 3.4 x2 + 4.2." in text
