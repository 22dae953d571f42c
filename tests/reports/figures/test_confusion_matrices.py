"""Confusion matrices are summed over the seeds of the best setting, and say in words what is most often mistaken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import Case
from xprun.reports import write_report
from xprun.reports.data.results_folder import read_tables
from xprun.reports.figures.confusion_matrices import accuracy, confusion_figure, confusions, mistakes_text
from xprun.reports.presentation.style import theme
from xprun.reports.stats.analysis import make_analysis

Make = Callable[..., Path]
FIRST, SECOND, OTHER = [[5, 1], [0, 4]], [[4, 2], [1, 3]], [[0, 6], [4, 0]]


def with_matrices(folder: Path, matrices: dict[int, list[list[int]]], split: str = "valid") -> Path:
    rows = [
        (f"{run:012x}", f"{name}.confusion", i, j, value)
        for run, matrix in matrices.items()
        for name in ("train", split)
        for i, values in enumerate(matrix)
        for j, value in enumerate(values if name == split else [99, 99])
    ]
    pd.DataFrame(rows, columns=["run", "metric", "row", "column", "value"]).to_csv(folder / "matrices.csv", index=False)
    return folder


@pytest.fixture
def folder(make_folder: Make) -> Path:
    cases = [Case("SGD", 0.1, [0.9, 0.8]), Case("SGD", 1.0, [0.1, 0.1]), Case("Adam", 0.1, [0.7])]
    return with_matrices(make_folder(cases), {0: FIRST, 1: SECOND, 2: OTHER, 3: OTHER, 4: FIRST})


def test_seeds_of_the_best_setting_are_summed_on_the_held_out_rows(folder: Path) -> None:
    split, found = confusions(make_analysis(read_tables(folder)))
    assert split == "valid"
    assert {name: counts.tolist() for name, counts in found.items()} == {"SGD": [[9, 3], [1, 7]], "Adam": FIRST}


def test_accuracy_and_mistakes() -> None:
    counts = np.array([[9, 3, 0], [1, 7, 0], [0, 0, 10]])
    assert accuracy(counts) == pytest.approx(26 / 30)
    assert mistakes_text(counts) == "0 for 1 (3 of 12) and 1 for 0 (1 of 8)"
    assert mistakes_text(np.eye(3)) == ""


def test_the_page_has_a_matrix_for_each_alternative(folder: Path) -> None:
    write_report(folder)
    for name in ("report.html", "report.md"):
        page = (folder / name).read_text(encoding="utf-8")
        assert "SGD: 80.0% right" in page
        assert "Most frequent mistakes: 0 for 1 (3 of 12) and 1 for 0 (1 of 8)" in page
    assert (folder / "plots" / "confusion-2.png").is_file()


def test_counts_are_written_into_their_cells() -> None:
    with theme():
        axes = confusion_figure(np.array([[9, 3], [0, 7]]), "t").axes[0]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((0, 0), "9"),
        ((1, 0), "3"),
        ((1, 1), "7"),
    }
    assert axes.get_ylim() == (1.5, -0.5)  # class 0 on top, as in matrices.csv


def test_very_many_classes_stay_in_the_table(make_folder: Make) -> None:
    folder = with_matrices(make_folder([Case("SGD", 0.1, [0.9])]), {0: np.eye(61, dtype=int).tolist()})
    write_report(folder)
    assert "Matrices of more than 60 classes are in matrices.csv." in (folder / "report.md").read_text(encoding="utf-8")


def test_without_matrices_there_is_no_section(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    write_report(folder)
    assert "Confusion" not in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "told", "turned"),
    [
        ([], ["0", "1", "2"], 0),
        (["cat", "dog"], ["cat", "dog", "2"], 0),
        (["a bright $x$\nsneaker", "b" * 30, "<i>"], ["a bright $x$ sneaker", "b" * 19 + "…", "<i>"], 90),
    ],
)
def test_classes_are_called_by_their_names(names: list[str], told: list[str], turned: int) -> None:
    counts = np.array([[9, 3, 0], [0, 7, 0], [0, 1, 0]])
    with theme():
        axes = confusion_figure(counts, "t", names).axes[0]
        assert [label.get_text() for label in axes.get_xticklabels()] == told
        assert [label.get_text() for label in axes.get_yticklabels()] == told
        assert {label.get_rotation() for label in axes.get_xticklabels()} == {turned}
    if not turned:
        assert mistakes_text(counts, names) == f"{told[0]} for {told[1]} (3 of 12) and 2 for {told[1]} (1 of 1)"
