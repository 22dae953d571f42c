"""The tasks of the suite: specs that run by themselves, with a target and its reason, and truths that must show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.plugins.discovery import open_registry
from xprun.runner.cli.main import main
from xprun.runner.resolve.resolver import columns_of, resolve
from xprun.specs import Spec, read_document, read_spec

ROOT = Path(__file__).parents[2]
PROBLEMS = {path.stem: path for path in sorted((ROOT / "specs" / "problems").glob("*.toml"))}
TRUTHS = {path.stem: path for path in sorted((Path(__file__).parent / "truths").glob("*.toml"))}
BENCH = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8")


def resolved(name: str) -> Spec:
    return resolve(read_spec(read_document(PROBLEMS[name])), open_registry())


def is_diagnostic(spec: Spec) -> bool:
    return [data.name for data in spec.sections["data"]] == ["objective"]


def test_there_are_enough_of_them() -> None:
    diagnostics = [name for name in PROBLEMS if is_diagnostic(resolved(name))]
    assert len(diagnostics) >= 16
    assert len(PROBLEMS) - len(diagnostics) >= 12


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_task_is_a_spec_of_one_run_with_a_target_and_its_reason(name: str) -> None:
    spec = resolved(name)
    assert all(len(alternatives) == 1 for alternatives in spec.sections.values())
    assert not any(alternative.axes for alternative in spec.alternatives)
    assert spec.compare.metric in columns_of(spec)
    assert spec.compare.target_value is not None
    assert spec.head.title
    assert "The target: " in " ".join(line.removeprefix("# ") for line in spec.document.text.splitlines())
    assert spec.run.settings["steps"]


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_task_is_on_the_page_with_its_target(name: str) -> None:
    row = re.search(rf"^\| `{name}` \|.*$", BENCH, re.MULTILINE)
    assert row, name
    target, steps = resolved(name).compare.target_value, resolved(name).run.settings["steps"]
    cells = [cell.strip() for cell in row[0].split("|")]
    assert float(cells[-2]) == target
    assert int(cells[-3]) == steps


@pytest.mark.parametrize("name", TRUTHS)
def test_a_truth_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = Path(__file__).parent / "truths" / "rules.py"
    result = CliRunner().invoke(main, ["test", str(TRUTHS[name]), "--plugin", str(plugin)])
    assert result.exit_code == 0, result.output
