"""Images are shown for the best run of each alternative, with the pixels that the model saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from xprun.plugins.datasets.digits import digits
from xprun.runner import run
from xprun.runner.planning import plan as planning

SPEC = """
data = { name = "digits", batch_size = 256 }
loss = { name = "CrossEntropyLoss" }
model = { name = "softmax" }
run = { steps = 3, seeds = 2 }
compare = { metric = "loss" }
[[optimizer]]
name = "SGD"
lr = { grid = [0.01, 0.5] }
[[optimizer]]
name = "Adam"
lr = 1e30
"""


def trained(folder: Path, *sets: str) -> tuple[pd.DataFrame, Path]:
    (folder / "spec.toml").write_text(SPEC, encoding="utf-8")
    found = run(folder / "spec.toml", output=folder / "runs", settings=sets, quiet=True)
    return found.runs, folder / "runs"


def test_the_best_run_of_each_alternative_has_its_images(tmp_path: Path) -> None:
    runs, folder = trained(tmp_path)
    samples = pd.read_csv(folder / "samples.csv", dtype={"run": str})
    ended = runs[runs["status"] == "done"].sort_values("final.loss").drop_duplicates("optimizer")
    assert set(samples["run"]) == set(ended["run"])
    assert len(samples) == 16 * len(ended)
    with np.load(folder / "images.npz") as images:
        for row, image in zip(samples["row"], samples["image"], strict=True):
            seen = (digits().inputs[row] * 255).round().numpy()
            np.testing.assert_array_equal(images[str(image)].ravel(), seen)
    assert (digits().targets.numpy()[samples["row"]] == samples["target"]).all()


def test_other_data_leave_no_files_behind(tmp_path: Path) -> None:
    _, folder = trained(tmp_path)
    assert (folder / "images.npz").is_file()
    trained(tmp_path, 'data={ name = "iris" }')
    assert not list(folder.glob("images.*")) + list(folder.glob("samples.*"))


def test_very_many_runs_keep_nothing_for_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MAX_RUNS_WITH_VISUALS", 5)
    _, folder = trained(tmp_path)
    assert not list(folder.glob("samples.*"))
