"""A loss surface is the loss worked out by hand, in a window that holds what a picture of paths must show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from xprun.plugins.datasets.linear_regression import linear
from xprun.plugins.datasets.thermometer import CELSIUS, FAHRENHEIT
from xprun.plugins.registry import loss
from xprun.runner import run
from xprun.runner.visuals.loss_surfaces import frame, plane, settling

LINE = """
data = { name = "thermometer", batch_size = "full" }
loss = { name = "MSELoss" }
model = { name = "linear", w = 1.0, b = 0.0 }
run = { steps = 12, dtype = "float64" }
[[optimizer]]
name = "scratch.gd"
lr = { grid = [1e-4, 1e-3] }
"""
GD = 'optimizer = { name = "scratch.gd", lr = 1e-4 }'


def trained(folder: Path, *sets: str, text: str = LINE) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The runs and the surface of a spec."""
    (folder / "line.toml").write_text(text, encoding="utf-8")
    found = run(folder / "line.toml", output=folder / "runs", settings=sets, quiet=True)
    path = folder / "runs" / "surface.csv"
    return found.runs, pd.read_csv(path, dtype={"run": str}) if path.is_file() else None


def by_hand(w: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, y = np.array(FAHRENHEIT, dtype="float32"), np.array(CELSIUS, dtype="float32")
    return ((w[:, None] * x + b[:, None] - y) ** 2).mean(1)


def test_a_surface_is_the_loss_on_all_training_rows(tmp_path: Path) -> None:
    runs, surface = trained(tmp_path)
    assert surface is not None
    assert list(surface) == ["run", "param.w", "param.b", "loss"]
    assert set(surface["run"]) == {runs["run"][0]}
    found = by_hand(surface["param.w"].to_numpy(), surface["param.b"].to_numpy())
    np.testing.assert_allclose(surface["loss"], found, rtol=1e-6)


def test_the_window_holds_start_end_and_optimum_and_no_explosion(tmp_path: Path) -> None:
    runs, surface = trained(tmp_path)
    assert surface is not None
    assert runs["status"].tolist() == ["done", "done"]
    assert abs(runs["param.w"][1]) > 1000  # ten times the learning rate: on its way to infinity
    places = [(1.0, 0.0), (runs["param.w"][0], runs["param.b"][0]), (0.5368, -17.3)]
    for w, b in places:
        assert surface["param.w"].min() < w < surface["param.w"].max()
        assert surface["param.b"].min() < b < surface["param.b"].max()
    assert surface["param.w"].max() < 3


def test_each_data_set_model_and_loss_has_a_surface_of_its_own(tmp_path: Path) -> None:
    runs, surface = trained(tmp_path, 'loss = [{ name = "MSELoss" }, { name = "L1Loss" }]')
    assert surface is not None
    assert list(dict.fromkeys(surface["run"])) == [runs["run"][0], runs["run"][2]]
    mean_error = surface[surface["run"] == runs["run"][2]]
    assert mean_error["loss"].min() > 1
    assert mean_error["loss"].max() < surface["loss"].max()


def test_a_model_with_one_parameter_has_a_curve(tmp_path: Path) -> None:
    _, surface = trained(tmp_path, 'model = { name = "linear", w = 1.0, b = 2.0, freeze = ["b"] }')
    assert surface is not None
    assert list(surface) == ["run", "param.w", "loss"]
    np.testing.assert_allclose(surface["loss"], by_hand(surface["param.w"].to_numpy(), np.array([2.0])), rtol=1e-6)


def test_what_the_seed_has_frozen_leaves_no_one_surface(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, surface = trained(tmp_path, 'model = { name = "linear", freeze = ["b"] }', "run.seeds=2")
    assert surface is None
    assert "no loss surface for linear: frozen parameters differ between the seeds" in caplog.text


def test_parameters_are_told_apart_by_name_though_all_runs_diverged(tmp_path: Path) -> None:
    runs, surface = trained(tmp_path, "optimizer.lr=1e30")
    assert surface is not None
    assert set(runs["status"]) == {"diverged"}
    np.testing.assert_allclose(
        surface["loss"], by_hand(surface["param.w"].to_numpy(), surface["param.b"].to_numpy()), rtol=1e-6
    )


def test_a_larger_model_has_none_and_leaves_none_behind(tmp_path: Path) -> None:
    _, before = trained(tmp_path)
    assert before is not None
    _, after = trained(tmp_path, 'data={ name = "linear", w = [1.0, 2.0, 3.0, 4.0] }', 'model={ name = "linear" }')
    assert after is None


def test_a_loss_that_breaks_costs_the_picture_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    @loss("moody")
    def moody(prediction, target):  # type: ignore[no-untyped-def]
        if not prediction.requires_grad:
            raise RuntimeError("nothing to learn here")
        return (prediction - target).square().mean()

    runs, surface = trained(tmp_path, "loss.name=moody", "run.engine=alone", "optimizer.lr=1e-4")
    assert runs["status"].tolist() == ["done"]
    assert surface is None
    assert "no loss surface for linear: RuntimeError: nothing to learn here" in caplog.text


def test_a_window_follows_paths_only_so_far() -> None:
    corners, paths = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.5, 3.0], [0.5, -900.0]])
    low, high = frame(corners, paths)
    assert low[0] == pytest.approx(-0.12)
    assert high[0] == pytest.approx(1.12)
    assert -2.5 < low[1] < -1.5
    assert 2.5 < high[1] < 3.1


THREE = """
data = { name = "linear", samples = 100, batch_size = 10 }
loss = { name = "MSELoss" }
model = { name = "linear" }
optimizer = { name = "SGD", lr = 0.1 }
run = { steps = 60, seeds = 2, dtype = "float64" }
"""


def test_three_parameters_are_seen_in_the_plane_in_which_they_move_most(tmp_path: Path) -> None:
    runs, surface = trained(tmp_path, text=THREE)
    assert surface is not None
    names = ["param.w[0]", "param.w[1]", "param.b"]
    assert list(surface) == ["run", *names, "loss"]
    points = surface[names].to_numpy()
    table = linear(samples=100)
    predicted = points[:, :2] @ table.inputs.double().numpy().T + points[:, 2:]
    np.testing.assert_allclose(surface["loss"], ((predicted - table.targets[:, 0].numpy()) ** 2).mean(1), rtol=1e-4)
    assert np.linalg.matrix_rank(points - points[0], tol=1e-3) == 2
    ends = runs[names].to_numpy()
    assert np.linalg.norm(points[:, None] - ends, axis=2).min(0) == pytest.approx(0, abs=0.2)  # they lie in it


def test_a_plane_is_that_of_the_principal_components() -> None:
    paths = np.array([[0.0, 0, 5], [3, 0, 5], [-3, 0, 5], [0, 1, 5], [0, -1, 5]])
    origin, directions = plane(paths, np.array([0.0, 0, 5]))
    assert origin.tolist() == [0, 0, 5]
    np.testing.assert_allclose(directions, [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_batch_sizes_share_one_surface(tmp_path: Path) -> None:
    both = (
        'data = [{ name = "line", batch_size = 10, label = "ten" }, { name = "line", batch_size = 1, label = "one" }]'
    )
    runs, surface = trained(tmp_path, both)
    assert surface is not None
    assert set(surface["run"]) == {runs["run"][0]}


def test_a_path_that_leaves_for_good_does_not_hide_the_others() -> None:
    """On the saddle x^2 - y^2 both have the same rule; the one that starts off the ridge grows by a fifth each step."""
    steps = np.arange(60)
    stays = np.stack([0.8**steps, np.zeros(60)], 1)
    escapes = np.stack([0.8**steps, 0.01 * 1.2**steps], 1)
    found = settling([stays, escapes], [30, 30])
    assert len(found) == 1
    assert found[0] is stays


def test_paths_that_settle_are_all_shown_however_slow_they_are() -> None:
    steps = np.arange(60)
    fast, slow = (np.stack([size * rate**steps, np.zeros(60)], 1) for size, rate in ((10.0, 0.8), (0.1, 0.99)))
    even = np.stack([np.linspace(0, 10, 60), np.zeros(60)], 1)
    assert len(settling([fast, slow, even], [30, 30, 30])) == 3


def test_the_spec_sets_the_window(tmp_path: Path) -> None:
    _, surface = trained(tmp_path, "compare.window={ w = [-1, 2.5] }")
    assert surface is not None
    assert (surface["param.w"].min(), surface["param.w"].max()) == (-1, 2.5)
    assert surface["param.b"].min() < -17 < 0 <= surface["param.b"].max()
