"""Fitted curves are those of the runs that stand for their alternatives, with a band over the seeds."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support.folders import Case
from xprun.reports import write_report
from xprun.reports.data.results_folder import read_tables
from xprun.reports.figures.fit_curves import fit_figure, fits, visible_range
from xprun.reports.presentation.style import theme
from xprun.reports.stats.analysis import Analysis, make_analysis

Make = Callable[..., Path]


def with_fits(folder: Path, slopes: dict[int, float], truth: bool = True) -> Path:
    """Lines through 0 with these slopes, by the number of the run; data on the line with the slope 1."""
    lines = [("data", 0, 1.0)] + [("truth", 0, 1.0)] * truth + [("fit", run, slope) for run, slope in slopes.items()]
    rows = [(f"{run:012x}", series, x, slope * x) for series, run, slope in lines for x in (0.0, 0.5, 1.0)]
    pd.DataFrame(rows, columns=["run", "series", "x", "y"]).to_csv(folder / "fits.csv", index=False)
    return folder


@pytest.fixture
def folder(make_folder: Make) -> Path:
    cases = [Case("SGD", 0.1, [0.9, 0.8, 0.7]), Case("Adam", 0.1, [0.8, 0.75, None])]
    return with_fits(make_folder(cases), {0: 2.0, 1: 3.0, 2: 5.0, 3: 1.0, 4: 50.0, 5: 1e9})


def studied(folder: Path) -> Analysis:
    return make_analysis(read_tables(folder))


def test_a_curve_is_of_one_run_and_its_band_of_all_that_ended_well(folder: Path) -> None:
    analysis = studied(folder)
    assert analysis.typical.to_dict() == {"SGD": "000000000001", "Adam": "000000000004"}
    [fit] = fits(analysis)
    last = fit.curves[fit.curves["x"] == 1].set_index("alternative")
    assert last.loc["SGD", ["y", "low", "high"]].tolist() == [3, 2, 5]
    assert last.loc["Adam", ["y", "low", "high"]].tolist() == [50, 1, 50]
    assert fit.data["y"].tolist() == fit.truth["y"].tolist() == [0, 0.5, 1]


def test_a_curve_far_off_does_not_flatten_the_data(folder: Path) -> None:
    analysis = studied(folder)
    [fit] = fits(analysis)
    assert visible_range(fit) == (-0.25, 1.25)
    with theme():
        assert fit_figure(fit, analysis.style, "t").axes[0].get_ylim() == (-0.25, 1.25)


def test_each_data_set_has_a_plot_of_its_own(make_folder: Make) -> None:
    cases = [Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [0.8], {"data.noise": 0.5})]
    folder = with_fits(make_folder(cases), {0: 2.0, 1: 3.0})
    first, second = fits(studied(folder))
    assert set(first.curves["alternative"]) == {"SGD"}
    assert len(first.data) == 3
    assert set(second.curves["alternative"]) == {"Adam"}
    assert second.data.empty  # nothing is known of them
    write_report(folder)


def test_the_page_tells_predictions_in_numbers(folder: Path) -> None:
    write_report(folder)
    for name in ("report.html", "report.md"):
        page = (folder / name).read_text(encoding="utf-8")
        assert "SGD predicts 0 at x=0 and 3 at x=1 and Adam predicts 0 at x=0 and 50 at x=1" in page
        assert "Dots: 3 training rows" in page
        assert "Dotted: the curve that the data were drawn from." in page
