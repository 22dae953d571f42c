"""The examples of docs/data.md are specs and plugins that work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from xprun.runner.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("houses.csv").write_text(examples("csv")[0], encoding="utf-8")
    Path("verse.txt").write_text(examples("text")[0], encoding="utf-8")
    Path("plugin.py").write_text("\n".join(examples("python")), encoding="utf-8")
    for name, colour in (("cats", "black"), ("dogs", "brown")):
        Path("pets", name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (10 + i, 9), colour).save(Path("pets", name, f"{i}.png"))


@pytest.mark.parametrize("text", examples("toml"))
def test_an_example_trains_or_lacks_its_files(text: str) -> None:
    Path("mine.toml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["mine.toml"])
    if "FashionMNIST" in text:
        assert done.exit_code == 1
        [reason] = [line for line in done.stderr.splitlines() if "failed:" in line]
        told = re.search(r"`(FashionMNIST: no files[^`]*)`", PAGE)
        assert told
        assert told.group(1) in reason
    else:
        assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "length"), [("ring", "epochs = 2"), ("ring.stream", "steps = 20"), ("jittered", "epochs = 2")]
)
def test_the_plugins_train(name: str, length: str) -> None:
    layers = '[model]\nlayers = [{ name = "Linear", in_features = 2, out_features = 2 }]\n'
    wine = next(text for text in examples("toml") if '"wine"' in text)
    spec = f'[data]\nname = "{name}"\n{layers}{wine[wine.index("[loss]") :]}'.replace("epochs = 10", length)
    Path("mine.toml").write_text(spec, encoding="utf-8")
    done = CliRunner().invoke(main, ["--plugin", "plugin.py", "mine.toml"])
    assert done.exit_code == 0, done.stderr


def test_the_transform_darkens() -> None:
    text = next(text for text in examples("toml") if "FakeData" in text)
    Path("mine.toml").write_text(text.replace('"RandomHorizontalFlip"', '"darken", by = 0.1'), encoding="utf-8")
    done = CliRunner().invoke(main, ["--plugin", "plugin.py", "mine.toml", "--set", "data.num_workers=1"])
    assert done.exit_code == 0, done.stderr
