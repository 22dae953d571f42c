"""Shipped specs are found by their bare names."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.resolve.resolver import resolve
from xprun.runner.resolve.showable import what_shows
from xprun.specs import read_document, read_spec
from xprun.specs.language.library import find_spec, shipped_specs


def test_a_shipped_spec_is_found_by_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["check", "line"])
    assert result.stdout.startswith("line: ok, 45 runs, then 30 on fresh seeds\n")


# What is compared here has no randomness in it (a given start, full batches), or is a recipe of which each run is slow.
BEYOND_SEEDS = {"finetune", "formulas", "losses", "thermometer", "thermometer_paths", "three_gradients"}
BEYOND_SEEDS |= {"thermometer_tensorflow", "three_gradients_tensorflow"}


@pytest.mark.parametrize("name", sorted(shipped_specs().keys() - BEYOND_SEEDS))
def test_a_shipped_spec_that_compares_can_conclude_something(name: str) -> None:
    spec = resolve(read_spec(read_document(shipped_specs()[name])), REGISTRY)
    told = what_shows(spec)
    assert told == "" or "would show (80% power)" in told


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("line").touch()
    assert find_spec(Path("line")) == Path("line")
    assert find_spec(Path("optimizers")) == shipped_specs()["optimizers"]
    assert find_spec(Path("optimizers.toml")) == Path("optimizers.toml")


@pytest.mark.parametrize("name", sorted(shipped_specs()))
def test_a_shipped_spec_finds_its_files_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "tensorflow" in name and find_package("tensorflow") is None:
        pytest.skip("tensorflow is not installed")
    result = CliRunner().invoke(main, ["check", name])
    assert result.stdout.startswith(f"{name}: ok"), result.output
