"""Shipped specs are found by their bare names."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main
from xprun.specs.language.library import find_spec, shipped_specs


def test_a_shipped_spec_is_found_by_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["check", "line"])
    assert result.stdout == "line: ok, 45 runs\n"


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("line").touch()
    assert find_spec(Path("line")) == Path("line")
    assert find_spec(Path("optimizers")) == shipped_specs()["optimizers"]
    assert find_spec(Path("optimizers.toml")) == Path("optimizers.toml")
