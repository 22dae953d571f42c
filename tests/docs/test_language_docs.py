"""The examples of the language's documentation stand for as many runs, and give the errors, that it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main
from xprun.specs.language.keywords import WORDS

PAGE = (Path(__file__).parents[2] / "docs/language.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
TEXT = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
COUNTED = [spec for spec in TOML if re.search(r"^# .*runs?$", spec, re.MULTILINE)]


@pytest.fixture(autouse=True)
def _base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.toml").write_text(TOML[0], encoding="utf-8")


def check(spec: str, *options: str) -> str:
    Path("wrong.toml").write_text(spec, encoding="utf-8")
    result = CliRunner().invoke(main, ["check", "wrong.toml", *options])
    return result.stdout + result.stderr


@pytest.mark.parametrize("spec", COUNTED, ids=[spec.partition("\n")[0] for spec in COUNTED])
def test_an_example_stands_for_the_runs_in_its_first_line(spec: str) -> None:
    formula = re.search(r"([\d x-]+) runs?$", spec, re.MULTILINE)
    assert formula
    runs = eval(formula[1].replace("x", "*"))
    most = "at most " if "at most" in spec.partition("\n")[0] else ""  # of a search
    assert re.match(rf"wrong.toml: ok, {most}{runs} runs\b", check(spec))


def test_the_errors_are_those_that_are_shown() -> None:
    without_count = re.sub(r"\d+ in all", "", check(TOML[-1]))
    assert without_count == re.sub(r"\d+ in all", "", TEXT[0])


@pytest.mark.parametrize("text", re.findall(r"^\| `--set '?(.*?)'?` \|", PAGE, re.MULTILINE))
def test_every_set_text_of_the_table_is_understood(text: str) -> None:
    alternatives = TOML[0].replace("[optimizer]", '[[optimizer]]\nname = "Adam"\n\n[[optimizer]]')
    assert re.match(r"wrong.toml: ok, \d+ runs\b", check(alternatives, "--set", text))


def test_every_sweep_of_the_table_is_one() -> None:
    table = re.findall(r"^\| `\{ (\w+) = ", PAGE, re.MULTILINE)
    assert sorted(table) == sorted(WORDS)
