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
from xprun.specs.language.confirmation import fresh_seeds, search_seeds

ROOT = Path(__file__).parents[2]
PROBLEMS = {path.stem: path for path in sorted((ROOT / "specs" / "problems").glob("*.toml"))}
TRUTHS = {path.stem: path for path in sorted((Path(__file__).parent / "truths").glob("*.toml"))}
# Each truth is checked at the size that its spec has, and at this one.
OTHER_SIZES = {
    "coupled": 40,
    "ill_conditioned": 40,
    "layer_scales": 25,
    "narrow_valley": 40,
    "sparse": 40,
    "uncorrected": 60,
    "units": 30,
}
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


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in TRUTHS for size in (None, OTHER_SIZES[name])])
def test_a_truth_shows(name: str, size: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = Path(__file__).parent / "truths" / "rules.py"
    sets = ["--set", f"model.size={size}"] if size else []
    result = CliRunner().invoke(main, ["test", str(TRUTHS[name]), "--plugin", str(plugin), *sets])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", TRUTHS)
def test_a_truth_is_checked_at_sizes_and_seeds_that_no_task_has(name: str) -> None:
    truth = read_spec(read_document(TRUTHS[name]))
    tasks = [resolved(task) for task in PROBLEMS]
    (model,) = truth.sections["model"]
    of_tasks = [one.sections["model"][0].settings for one in tasks if one.sections["model"][0].name == model.name]
    assert of_tasks
    assert not {settings["size"] for settings in of_tasks} & {model.settings["size"], OTHER_SIZES[name]}
    assert (
        min(seed for seeds in (*search_seeds(truth), fresh_seeds(truth)) for seed in seeds) >= 100
    )  # a bench's: from 0 on


def test_the_page_has_every_truth_with_its_sizes() -> None:
    for name, path in TRUTHS.items():
        size = read_spec(read_document(path)).sections["model"][0].settings["size"]
        assert re.search(rf"^\| `{name}` \|.*\| {size}, {OTHER_SIZES[name]} \|$", BENCH, re.MULTILINE), name
