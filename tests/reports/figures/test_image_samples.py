"""Images in a report are those of the best run, with what it took them for, inside the page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import Case, describe_folder
from xprun.reports import ReportError, write_report
from xprun.reports.data.results_folder import read_tables
from xprun.reports.figures.image_samples import sample_figure, samples
from xprun.reports.presentation.style import theme
from xprun.reports.stats.analysis import make_analysis

Make = Callable[..., Path]
COLUMNS = ["run", "row", "target", "prediction", "probability", "image"]


@pytest.fixture
def folder(make_folder: Make) -> Path:
    folder = make_folder([Case("SGD", 0.1, [0.9, 0.8]), Case("Adam", 0.1, [0.7])])
    rows = [(run, row, 3, 3 + (row == 7), 0.5 + row / 100, row % 2) for run in range(3) for row in (0, 1, 7)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.assign(run=[f"{run:012x}" for run in table["run"]]).to_csv(folder / "samples.csv", index=False)
    images = {"0": np.zeros((8, 8, 1), "uint8"), "1": np.full((8, 8, 3), 200, "uint8")}
    np.savez_compressed(folder / "images.npz", allow_pickle=False, **images)
    return folder


def test_the_best_run_of_an_alternative_shows_its_images(folder: Path) -> None:
    found = samples(make_analysis(read_tables(folder)))
    assert {name: run for name, (run, _) in found.items()} == {"SGD": "000000000000", "Adam": "000000000002"}
    _, several = found["SGD"]
    assert [sample.words() for sample in several] == ["3", "3", "4, not 3"]
    assert [sample.image.shape for sample in several] == [(8, 8, 1), (8, 8, 3), (8, 8, 3)]


def test_images_are_inside_the_page_and_told_in_words(folder: Path) -> None:
    write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3  # sheets of the same images stand once
    assert "img-src data:" in page
    for text in (page, (folder / "report.md").read_text(encoding="utf-8")):
        assert "row 7: 4, not 3 (57%), row 0: 3 (50%) and row 1: 3 (51%)" in text
        assert "; 1 of 3 here are wrong." in text
    assert (folder / "plots" / "samples-1.png").is_file()


def test_pixels_that_are_no_pixels_are_an_error(folder: Path) -> None:
    (folder / "images.npz").write_bytes(b"PK no archive")
    with pytest.raises(ReportError, match=r"images\.npz"):
        write_report(folder)


def test_without_pixels_there_is_no_section(folder: Path) -> None:
    (folder / "images.npz").unlink()
    write_report(folder)
    assert "Sample predictions" not in (folder / "report.md").read_text(encoding="utf-8")


def test_classes_are_called_by_their_names(folder: Path) -> None:
    runs = [f"{run:012x}" for run in range(3)]
    names = ["a", "b", "c", "ankle boot of *leather*", "<i>\nbag"]
    describe_folder(folder, classes=[{"names": names, "runs": runs}])
    _, several = samples(make_analysis(read_tables(folder)))["SGD"]
    assert several[2].words(names) == "<i> bag, not ankle boot of *leather*"
    with theme():
        drawn = [text.get_text() for text in sample_figure(several, "t", names).axes[0].texts]
    assert drawn == ["ankle boot o… (50%)", "ankle boot o… (51%)", "<i> bag (57%)\nnot ankle boot o…"]
    write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "row 7: &lt;i&gt; bag, not ankle boot of *leather* (57%)" in page
    assert r"\*leather\*" in (folder / "report.md").read_text(encoding="utf-8")
