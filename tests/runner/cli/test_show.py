"""`xprun show` tells what the data of a spec are, and trains nothing."""

from pathlib import Path

from click.testing import CliRunner
from xprun.runner.cli.main import main

FLOWERS = """
data = { name = "iris", valid = 0.2 }
model = { name = "softmax" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = 0.1 }
run = { steps = 5 }
"""
LINE = FLOWERS.replace('"iris", valid = 0.2', '"thermometer"').replace("CrossEntropyLoss", "MSELoss")


def show(folder: Path, text: str) -> str:
    (folder / "spec.toml").write_text(text, encoding="utf-8")
    found = CliRunner().invoke(main, ["show", str(folder / "spec.toml"), "-o", str(folder / "out")])
    assert found.exit_code == 0, found.output
    return found.output


def test_parts_classes_and_their_balance(tmp_path: Path) -> None:
    lines = [line.split() for line in show(tmp_path, FLOWERS).splitlines()]
    assert lines[0] == ["iris"]
    assert lines[3][:6] == ["train", "120", "[4]", "float32", "3", "classes"]
    assert lines[4][:2] == ["valid", "30"]
    rows = {line[0]: int(line[1]) for line in lines if line and line[0] in ("setosa", "versicolor", "virginica")}
    assert sum(rows.values()) == 120
    assert not (tmp_path / "out").exists()  # four features are no picture


def test_one_feature_is_drawn(tmp_path: Path) -> None:
    text = show(tmp_path, LINE.replace('name = "softmax"', 'name = "linear"'))
    picture = tmp_path / "out" / "data-1.png"
    assert f"wrote {picture}" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "store.sqlite" not in {path.name for path in picture.parent.iterdir()}
