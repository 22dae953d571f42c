"""Paths go where the runs went: from start to end, over the loss that was computed, and no further than the picture."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import Case, add_paths
from xprun.reports import write_report
from xprun.reports.data.results_folder import read_tables
from xprun.reports.figures.contours import contour_levels, path_figure
from xprun.reports.figures.parameter_paths import Surface, scenes
from xprun.reports.presentation.style import theme
from xprun.reports.stats.analysis import Analysis, make_analysis

Make = Callable[..., Path]
THREE = [Case("SGD", 0.1, [0.9, 0.8, 0.7]), Case("Adam", 0.1, [0.6, 0.7, 0.8])]


def studied(folder: Path) -> Analysis:
    return make_analysis(read_tables(folder))


def test_all_paths_are_of_the_one_seed_that_is_closest_to_the_medians(make_folder: Make) -> None:
    analysis = studied(make_folder(THREE))
    assert analysis.typical.to_dict() == {"SGD": "000000000001", "Adam": "000000000004"}
    assert analysis.whose(["SGD", "Adam"]).startswith("with seed 1, ")


def test_without_a_shared_seed_each_has_its_median_run(make_folder: Make) -> None:
    folder = make_folder(THREE)
    runs = pd.read_csv(folder / "results.csv", dtype={"run": str})
    runs.loc[3:, "seed"] += 10
    runs.to_csv(folder / "results.csv", index=False)
    analysis = studied(folder)
    assert analysis.typical.to_dict() == {"SGD": "000000000001", "Adam": "000000000004"}
    assert analysis.whose(["SGD", "Adam"]) == "with the seed of the median final valid.accuracy (SGD 1 and Adam 11)"


def test_a_run_that_did_not_end_well_stands_for_no_others(make_folder: Make) -> None:
    assert studied(make_folder([Case("SGD", 0.1, [None, 0.9, 0.8])])).typical.to_dict() == {"SGD": "000000000002"}
    assert studied(make_folder([Case("SGD", 0.1, [None])], name="all")).typical.to_dict() == {"SGD": "000000000000"}


def test_a_path_goes_from_the_start_to_the_end(make_folder: Make) -> None:
    analysis = studied(add_paths(make_folder(THREE), {1: (3.0, 1.0), 4: (2.0, 0.5)}))
    [scene] = scenes(analysis)
    path = scene.paths["SGD"]
    assert path["taken"].tolist() == [*range(41)]
    assert path[["x", "y"]].iloc[[0, 20, -1]].to_numpy().tolist() == [[0, 0], [1.5, 0.5], [3, 1]]
    assert scene.paths["Adam"][["x", "y"]].iloc[-1].tolist() == [2.0, 0.5]
    assert scene.lost == set()
    assert scene.surface.loss[15, 12] == pytest.approx(2 + 1 + 0)  # at w = 2 and b = 1


def test_paths_of_runs_of_which_none_ended_well_have_no_end(make_folder: Make) -> None:
    folder = add_paths(make_folder([Case("SGD", 0.1, [None]), Case("Adam", 0.1, [None])]), {0: (14.0, 0.0)})
    assert not [name for name in read_tables(folder).runs if name.startswith("param.")]
    [scene] = scenes(studied(folder))
    assert scene.paths["SGD"][["taken", "x"]].to_numpy().tolist() == [[0, 0], [1, 2], [2, 4], [3, 5]]
    assert scene.lost == {"SGD"}


def test_a_path_that_leaves_for_good_ends_at_the_edge(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [None])])
    [scene] = scenes(studied(add_paths(folder, {0: (3.0, 1.0), 1: (70.0, 7.0)})))
    assert scene.lost == {"Adam"}
    assert scene.paths["Adam"][["taken", "x", "y"]].to_numpy().tolist() == [[0, 0, 0], [1, 5, 0.5]]


def test_a_surface_belongs_to_runs_with_the_same_data_model_and_loss(make_folder: Make) -> None:
    cases = [Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [0.8], {"data.noise": 0.5})]
    [scene] = scenes(studied(add_paths(make_folder(cases), {0: (3.0, 1.0), 1: (2.0, 1.0)})))
    assert list(scene.paths) == ["SGD"]


def test_one_parameter_walks_on_the_curve_of_its_loss(make_folder: Make) -> None:
    folder = add_paths(make_folder([Case("SGD", 0.1, [0.9])]), {0: (3.0, 1.0)})
    runs, history = (pd.read_csv(folder / f"{name}.csv", dtype={"run": str}) for name in ("results", "history"))
    runs.drop(columns="param.b").to_csv(folder / "results.csv", index=False)
    history[history["metric"] != "param.b"].to_csv(folder / "history.csv", index=False)
    w = np.linspace(-1, 5, 61)
    pd.DataFrame({"run": runs["run"][0], "param.w": w, "loss": w**2}).to_csv(folder / "surface.csv", index=False)
    analysis = studied(folder)
    [scene] = scenes(analysis)
    assert scene.paths["SGD"].iloc[-1].tolist() == [40, 3, pytest.approx(9)]
    with theme():
        axes = path_figure(scene, analysis.style, "t").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("w", "loss")


def test_more_parameters_are_seen_from_above_their_plane(make_folder: Make) -> None:
    """A plane through (1, 1, 1) along the first and the third of three parameters."""
    folder = add_paths(make_folder([Case("SGD", 0.1, [0.9])]), {0: (3.0, 1.0)})
    history = pd.read_csv(folder / "history.csv", dtype={"run": str})
    third = history[history["metric"] == "param.b"].assign(metric="param.c")
    pd.concat([history, third]).to_csv(folder / "history.csv", index=False)
    runs = pd.read_csv(folder / "results.csv", dtype={"run": str}).assign(**{"param.c": 1.0})
    runs.to_csv(folder / "results.csv", index=False)
    u, v = (part.ravel() for part in np.meshgrid(np.linspace(0, 4, 5), np.linspace(0, 2, 5), indexing="ij"))
    plane = {"run": runs["run"][0], "param.w": u - 1, "param.b": 1.0, "param.c": v - 1, "loss": u + 10 * v}
    pd.DataFrame(plane).to_csv(folder / "surface.csv", index=False)
    analysis = studied(folder)
    [scene] = scenes(analysis)
    assert scene.surface.is_plane
    assert [axis[-1] for axis in scene.surface.axes] == [4, 2]
    assert scene.surface.loss[-1, 0] == 4
    assert scene.paths["SGD"][["x", "y"]].iloc[[0, -1]].to_numpy().tolist() == [[1, 1], [4, 2]]
    write_report(folder)
    assert "paths through w, b and c" in (folder / "report.md").read_text(encoding="utf-8")


def test_labels_and_batch_sizes_make_no_other_ground(make_folder: Make) -> None:
    cases = [Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [0.8], {"data": "slow", "data.batch_size": 1})]
    folder = add_paths(make_folder(cases), {0: (3.0, 1.0), 1: (2.0, 1.0)})
    assert [list(scene.paths) for scene in scenes(studied(folder))] == [["SGD"]]
    facts = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
    written = [
        {"name": "digits", "label": label, "settings": {"batch_size": n}} for label, n in (("", 64), ("slow", 1))
    ]
    (folder / "resolved.json").write_text(json.dumps(facts | {"spec": {"data": written}}), encoding="utf-8")
    assert [list(scene.paths) for scene in scenes(studied(folder))] == [["SGD", "Adam"]]


def test_contours_are_round_numbers_above_the_least() -> None:
    levels = contour_levels(np.array([2.0, 2.5, 1002.0]))
    assert [round(level - 2, 9) for level in levels[-4:]] == [30, 100, 300, 1000]
    assert contour_levels(np.array([1.0, 1.0, np.inf])) == [1.0]
    flat = contour_levels(np.array([[0.7, 0.7 + 2e-16], [0.7, 0.7]]))  # steps between these are lost to rounding
    assert flat == sorted(set(flat))


def test_a_narrow_valley_is_drawn_between_its_points() -> None:
    x = np.linspace(0, 1, 11)
    valley = (x[:, None] - x[None, :]) ** 2
    fine = Surface(["w", "b"], [x, x], valley, np.zeros(2), np.eye(2)).finer()
    assert len(fine.axes[0]) == 21
    np.testing.assert_allclose(fine.loss, (fine.axes[0][:, None] - fine.axes[1][None, :]) ** 2, atol=1e-12)


def test_the_section_says_in_words_where_paths_start_and_end(make_folder: Make) -> None:
    folder = add_paths(
        make_folder([Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [None])]), {0: (3.0, 1.0), 1: (70.0, 7.0)}
    )
    write_report(folder)
    assert (folder / "plots" / "paths-1.png").is_file()
    words = "SGD ends at w=3 b=1 after 40 steps, from w=0 b=0 and Adam leaves at w=5 b=0.5 after 1 step, from w=0 b=0"
    for name in ("report.html", "report.md"):
        assert words in (folder / name).read_text(encoding="utf-8")
        assert "marks where a path leaves the picture" in (folder / name).read_text(encoding="utf-8")


def test_without_a_surface_there_is_no_section(make_folder: Make) -> None:
    folder = add_paths(make_folder(THREE), {1: (3.0, 1.0)})
    (folder / "surface.csv").unlink()
    write_report(folder)
    assert "Paths over the loss" not in (folder / "report.md").read_text(encoding="utf-8")
