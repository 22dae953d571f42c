"""The examples of docs/backends.md are files that work; those in TensorFlow run where it is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.numpy_backend import FILES, PAGE
from xprun.plugins.backends import tensorflow_backend
from xprun.runner.cli.main import main


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")


def test_the_backend_of_the_page_trains_beside_torch() -> None:
    [command] = re.findall(r"^\$ xprun (--plugin my_backend.*)$", PAGE, re.MULTILINE)
    plugin, file, spec, _, backends, _, optimizer = (part.strip("'") for part in re.split(r" (?![^\[]*\])", command))
    arguments = [plugin, file, spec, "--set", backends, "--set", optimizer, "-o", "out", "--no-report"]
    assert CliRunner().invoke(main, [*arguments, "--set", "optimizer.lr=0.1", "--set", "expect=[]"]).exit_code == 0
    table = pd.read_csv("out/results.csv").sort_values("run.backend")
    assert set(table["run.backend"]) == {"numpy.line", "torch"}
    assert table["final.loss"].max() == pytest.approx(table["final.loss"].min(), rel=1e-3)


def test_an_optimizer_is_held_against_it() -> None:
    found = CliRunner().invoke(main, ["check", "scratch.adam", "--against", "numpy.line", "--plugin", "my_backend.py"])
    assert found.exit_code == 0, found.output
    assert "ok     agrees with numpy.line: " in found.stdout
    found = CliRunner().invoke(main, ["check", "Adam", "--against", "numpy.line", "--plugin", "my_backend.py"])
    assert found.exit_code == 1
    assert "it runs update rules" in found.stdout


def test_the_page_names_all_that_tensorflow_trains() -> None:
    for name in (*tensorflow_backend.ACTIVATIONS, *tensorflow_backend.LOSSES, *tensorflow_backend.OPTIMIZERS):
        assert name in PAGE, name
