"""`models.json` becomes pictures of the models; whatever else it holds costs these alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case
from xprun.reports import write_report
from xprun.reports.data.described_models import read_graphs

INPUT = {"op": "input", "path": "", "detail": "", "inputs": [], "shapes": [["N", 64]], "parameters": 0}
LINEAR = {"op": "Linear", "path": "0", "detail": "64, 10", "inputs": [0], "shapes": [["N", 10]], "parameters": 650}
OUTPUT = {"op": "output", "path": "", "detail": "", "inputs": [1], "shapes": [["N", 10]], "parameters": 0}
GRAPH = {"title": "<net> on digits", "nodes": [INPUT, LINEAR, OUTPUT], "modules": {}, "parameters": 650, "trainable": 0}


def long(count: int) -> dict[str, Any]:
    layers = [LINEAR | {"path": f"{i}", "inputs": [i]} for i in range(count)]
    return GRAPH | {"title": "long", "nodes": [INPUT, *layers, OUTPUT | {"inputs": [count]}]}


def test_a_model_is_drawn_on_every_page(make_folder: Callable[..., Path]) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9, 0.8])])
    (folder / "models.json").write_text(json.dumps([GRAPH]), encoding="utf-8")
    write_report(folder)
    assert (folder / "plots" / "model-1.png").is_file()
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "](plots/model-1.png)" in text
    assert "from input to output Linear" in text
    assert "650 parameters, 0 of them trained" in text
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "&lt;net&gt; on digits: 650 parameters" in page
    assert "N \N{MULTIPLICATION SIGN} 64</text>" in page


def test_a_long_graph_is_folded_away_and_at_most_four_are_drawn(make_folder: Callable[..., Path]) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9, 0.8])])
    graphs = [long(count) for count in (11, 12, 13, 14, 15)]
    (folder / "models.json").write_text(json.dumps(graphs), encoding="utf-8")
    write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<summary>Graph of long</summary>") == 4
    assert sorted(path.name for path in (folder / "plots").glob("model-*")) == [f"model-{i}.png" for i in range(1, 5)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}x",
        "3",
        '["a"]',
        '[{"title": "a"}]',
        json.dumps([GRAPH | {"nodes": [LINEAR]}]),  # its input comes after it
        json.dumps([GRAPH | {"nodes": [INPUT | {"shapes": []}]}]),
        json.dumps([GRAPH | {"modules": 3}]),
        "[" * 100_000,
    ],
)
def test_what_is_no_graph_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "models.json").write_text(content, encoding="utf-8")
    assert read_graphs(tmp_path / "models.json") == []
