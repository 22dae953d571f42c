"""The plots that a spec asks for, and the formats that a user asks for, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main

PLOT = '''
from xprun.plugins import plot


@plot("my.values")
def values(runs, compare, *, size: int = 3):
    """The final values."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot(runs["value"], "o", markersize=size)
    return figure, f"{len(runs)} runs by {compare['metric']}"


@plot("my.wrong")
def wrong(tables):
    """Asks for what there is not."""
'''


def called(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def spec(line_spec: str, write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(PLOT, encoding="utf-8")
    asked = '[compare]\nplots = [{ name = "my.values", label = "All values", size = 5 }]\n'
    return str(write(f"{line_spec}\n{asked}"))


def test_a_spec_asks_for_a_plot_of_a_plugin(spec: str) -> None:
    called(spec, "--plugin", "mine.py", "-q", "-o", "out")
    assert "![All values. 1 runs by loss](plots/plot-1.png)" in Path("out/report.md").read_text(encoding="utf-8")
    REGISTRY.forget("mine.py")
    called("report", "out")
    assert (
        "my.values did not draw this plot: LookupError: there is no plot named 'my.values'; give its file with --plugin"
        in Path("out/report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    )
    called("report", "out", "--plugin", "mine.py")
    assert "All values. 1 runs by loss" in Path("out/report.html").read_text(encoding="utf-8")


def test_a_changed_plot_is_drawn_anew_and_nothing_is_trained(spec: str) -> None:
    called(spec, "--plugin", "mine.py", "-q", "-o", "out")
    Path("mine.py").write_text(PLOT.replace("runs by", "points by"), encoding="utf-8")
    assert "1 cached, 0 to run" in called(spec, "--plugin", "mine.py", "-o", "out")
    assert "1 points by loss" in Path("out/report.md").read_text(encoding="utf-8")


def test_a_plot_that_asks_for_what_there_is_not_is_an_error(spec: str) -> None:
    Path(spec).write_text(Path(spec).read_text(encoding="utf-8").replace("my.values", "my.wrong"), encoding="utf-8")
    told = called("check", spec, "--plugin", "mine.py", code=2)
    assert "my.wrong has an unknown parameter 'tables'" in told
    assert "plots are given runs, history, settings, ranking, palette, compare" in told


def test_formats_are_chosen_where_a_report_is_written(spec: str) -> None:
    told = called(spec, "--plugin", "mine.py", "-o", "out", "--format", "latex,pdf")
    assert "plots/" in told
    assert "tables/" in told
    assert Path("out/tables/ranking.tex").is_file()
    assert Path("out/plots/plot-1.pdf").is_file()
    assert not Path("out/report.html").exists()
    called("report", "out", "--plugin", "mine.py", "--format", "html")
    assert Path("out/report.html").is_file()
    assert not Path("out/report.md").exists()


def test_an_unknown_format_is_refused(spec: str) -> None:
    told = called(spec, "-o", "out", "--format", "html,ps", code=2)
    assert "there is no format 'ps'; there are html, md, latex, pdf" in told


def test_plots_are_listed_and_described(spec: str) -> None:
    assert "my.values" in called("ls", "plot", "--plugin", "mine.py")
    assert "The final values." in called("describe", "my.values", "--plugin", "mine.py")
