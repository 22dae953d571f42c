"""The examples of the README and the docs are files that work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXPECTATIONS = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")


def example(language: str, page: str = README) -> str:
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(example("toml"), encoding="utf-8")
    Path("my_optimizer.py").write_text(example("python"), encoding="utf-8")


def test_the_first_spec_checks() -> None:
    result = CliRunner().invoke(main, ["check", "mine.toml"])
    assert result.stdout.startswith("mine.toml: ok, 36 runs, then 20 on fresh seeds\n")


def test_the_error_is_the_one_that_is_shown() -> None:
    path = Path("mine.toml")
    path.write_text(path.read_text(encoding="utf-8").replace("lr = { logs", "learning_rate = { logs"), encoding="utf-8")
    result = CliRunner().invoke(main, ["check", "mine.toml"])
    assert result.exit_code == 2
    assert result.stderr in README


def test_the_first_plugin_trains() -> None:
    spec = example("toml").replace("[run]", '[[optimizer]]\nname = "lion"\n[run]')
    Path("mine.toml").write_text(spec, encoding="utf-8")
    result = CliRunner().invoke(main, ["--plugin", "my_optimizer.py", "mine.toml"])
    assert result.exit_code == 0, result.stderr
    results = pd.read_csv("runs/mine/results.csv")
    assert results[results.optimizer == "lion"]["status"].tolist() == ["done"] * (3 + 10)


def test_the_claims_hold_as_shown() -> None:
    Path("descent.toml").write_text(example("toml", EXPECTATIONS), encoding="utf-8")
    result = CliRunner().invoke(main, ["test", "descent.toml"])
    assert result.exit_code == 0, result.output
    shown = example("console", EXPECTATIONS).splitlines()[1:]
    assert [_claim(line) for line in result.stdout.splitlines()] == [_claim(line) for line in shown]


def test_two_folders_compare_as_shown() -> None:
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    shown = next(block for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL) if "xprun diff" in block)
    commands = [shlex.split(line)[2:] for line in shown.splitlines() if line.startswith("$ xprun")]
    result = [CliRunner().invoke(main, command) for command in commands][-1]
    assert result.exit_code == 1, result.output
    for found, expected in zip(result.stdout.splitlines(), shown.splitlines()[len(commands) :], strict=True):
        assert _verdict(found) == _verdict(expected)


def _verdict(line: str) -> tuple[str, str]:
    """Return whom a line is about and what it says, without the digits of a loss, in which rounding shows."""
    return line.split()[0], re.sub(r"0\.\d+", "0.#", line.split("  ")[-1])


def _claim(line: str) -> str:
    """Return a verdict without the digits found, which may differ between machines."""
    return line.partition("; found")[0]


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[2] / link).exists()


DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    pytest.param(language, text, id=f"{page}-{i}")
    for page in ("models.md", "losses-and-metrics.md")
    for i, (language, text) in enumerate(
        re.findall(r"```(toml|python)\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize(("language", "text"), BLOCKS)
def test_an_example_of_the_docs_runs(language: str, text: str) -> None:
    Path("sonnets.txt").write_bytes((ROOT / "specs" / "sonnets.txt").read_bytes())
    if language == "toml":
        Path("example.toml").write_text(text, encoding="utf-8")
        _write_plugins()
    else:
        Path("plugin.py").write_text(text, encoding="utf-8")
    arguments = ["example.toml", "-j", "1"] if language == "toml" else ["ls"]
    result = CliRunner().invoke(main, [*arguments, "--plugin", "plugin.py"])
    assert result.exit_code == 0, result.output


def _write_plugins() -> None:
    """Write every component that the pages define to one file."""
    plugins = [block.values[1] for block in BLOCKS if block.values[0] == "python"]
    Path("plugin.py").write_text("\n".join(map(str, plugins)), encoding="utf-8")


def test_the_plugins_of_the_docs_train() -> None:
    _write_plugins()
    spec = """
    data = { name = "digits" }
    model = { name = "deep", depth = 1, activation = { name = "ReLU" } }
    loss = { name = "CrossEntropyLoss" }
    optimizer = { name = "SGD" }
    run = { steps = 2, metrics = ["largest"] }
    """
    Path("example.toml").write_text(spec, encoding="utf-8")
    result = CliRunner().invoke(main, ["example.toml", "-j", "1", "--plugin", "plugin.py"])
    assert result.exit_code == 0, result.output


GALLERY = ROOT / "docs" / "gallery.md"


@pytest.mark.parametrize("spec", sorted(path.name for path in (ROOT / "specs").glob("*.toml")))
def test_the_gallery_shows_every_shipped_spec(spec: str) -> None:
    assert f"](../specs/{spec})" in GALLERY.read_text(encoding="utf-8")


def test_the_reports_of_the_gallery_and_their_pictures_are_there_and_small() -> None:
    shown = re.findall(r"\]\((gallery/[^)]+)\)", GALLERY.read_text(encoding="utf-8"))
    reports = [GALLERY.parent / path for path in shown if path.endswith(".md")]
    assert len(reports) > 10
    plots = [r.parent / path for r in reports for path in re.findall(r"\]\((plots/[^)]+)\)", r.read_text("utf-8"))]
    pictures = {*plots, *(GALLERY.parent / path for path in shown if path.endswith(".png"))}
    assert pictures == set((GALLERY.parent / "gallery").rglob("*.png"))
    sizes = [path.stat().st_size for path in (*reports, *pictures)]
    assert max(sizes) < 250_000
    assert sum(sizes) < 5_500_000
