"""`fits.csv` holds the data, the truth and a curve for each run, and outlives the process that trained them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner import run

LINE = """
data = { name = "line", samples = 1000, w = 2.0, b = 1.0, batch_size = 100 }
loss = { name = "MSELoss" }
model = { name = "linear" }
optimizer = { name = "SGD", lr = 0.1 }
run = { steps = 5, seeds = 2 }
"""


def trained(folder: Path, *sets: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    (folder / "line.toml").write_text(LINE, encoding="utf-8")
    found = run(folder / "line.toml", output=folder / "runs", settings=sets, quiet=True)
    path = folder / "runs" / "fits.csv"
    return found.runs, pd.read_csv(path, dtype={"run": str}) if path.is_file() else None


def test_data_truth_and_curves(tmp_path: Path) -> None:
    runs, fits = trained(tmp_path)
    assert fits is not None
    assert fits.groupby(["run", "series"]).size().to_dict() == {
        (runs["run"][0], "data"): 300,
        (runs["run"][0], "truth"): 50,
        (runs["run"][0], "fit"): 50,
        (runs["run"][1], "fit"): 50,
    }
    table = REGISTRY.find("data", "line").load()(samples=1000, w=2.0, b=1.0)
    rows = fits[fits["series"] == "data"]
    assert np.isin(rows["x"].to_numpy("float32"), table.inputs[:, 0].numpy()).all()
    np.testing.assert_allclose(rows["y"], 2 * rows["x"] + 1, rtol=1e-5)
    truth, fit = fits[fits["series"] == "truth"], fits[(fits["series"] == "fit") & (fits["run"] == runs["run"][1])]
    np.testing.assert_allclose(truth["y"], 2 * truth["x"] + 1, rtol=1e-5)
    np.testing.assert_allclose(fit["y"], runs["param.w"][1] * fit["x"] + runs["param.b"][1], rtol=1e-5)


def test_curves_of_earlier_calls_stay(tmp_path: Path) -> None:
    _, before = trained(tmp_path)
    _, after = trained(tmp_path, "run.seeds=3")
    assert before is not None
    assert after is not None
    assert len(after) == len(before) + 50


def test_standardised_data_know_no_truth(tmp_path: Path) -> None:
    _, fits = trained(tmp_path, "data.standardise=true")
    assert fits is not None
    assert set(fits["series"]) == {"data", "fit"}
    assert fits.loc[fits["series"] == "data", "x"].mean() == pytest.approx(0, abs=0.1)


def test_data_of_two_features_leave_no_file_behind(tmp_path: Path) -> None:
    assert trained(tmp_path)[1] is not None
    assert trained(tmp_path, 'data={ name = "linear", batch_size = 10 }')[1] is None
