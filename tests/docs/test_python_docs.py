"""The Python of docs/python.md and docs/tables.md runs as it stands there, a page from top to bottom."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli
from xprun import open_results, run

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Take away the handlers that an example has added."""
    logger = logging.getLogger("xprun")
    before = list(logger.handlers)
    yield
    for handler in [handler for handler in logger.handlers if handler not in before]:
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_page(name: str) -> dict[str, Any]:
    """Return what the examples of a page have defined, after running them as a notebook would."""
    defined: dict[str, Any] = {"__name__": "notebook"}
    page = (DOCS / name).read_text(encoding="utf-8")
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL)):
        cell = Path(f"{Path(name).stem}_{number}.py")
        cell.write_text(text, encoding="utf-8")
        exec(compile(text, cell.absolute(), "exec"), defined)
    return defined


def test_the_examples_for_programs_and_notebooks_run(capsys: pytest.CaptureFixture[str]) -> None:
    defined = run_page("python.md")
    assert Path("runs/line/report.html").exists()
    assert len(defined["results"].ranking) == 4  # of the last spec on the page
    assert "--set:1:1: run.step: " in capsys.readouterr().out


def test_the_tables_are_read_back_as_shown(line_spec: str) -> None:
    run(tomli.loads(line_spec), settings={"optimizer.label": "NA"}, output="runs/optimizers", quiet=True)
    defined = run_page("tables.md")
    results = open_results("runs/optimizers")
    assert defined["runs"]["optimizer"].tolist() == results.runs["optimizer"].tolist()
    assert defined["runs"]["optimizer"].tolist() == ["NA"]
    assert len(defined["history"]) == len(results.history)
