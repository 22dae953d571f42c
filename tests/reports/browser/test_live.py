"""A browser watches a folder fill: the page renews itself, and what its reader did to it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case, write_folder
from xprun.reports.live.live_report import LiveReport, Watched
from xprun.reports.live.live_server import listen, serving, url_of

from .conftest import Opened


class Grid:
    """A folder in which the runs of some seeds have ended."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ended, self.state, self.training, self.points = folder, 0, "running", "", 2

    def let_end(self, seeds: int) -> None:
        values = [0.5 + 0.01 * seed for seed in range(seeds)]
        write_folder(self.folder, [Case(name, lr, values) for name in ("SGD", "Adam") for lr in (0.1, 0.2)])
        self.ended = 4 * seeds

    def look(self) -> dict[str, Any]:
        text = f"{self.ended} of 8 runs ended"
        told = {"name": "demo", "state": self.state, "ended": self.ended, "done": self.ended / 8, "text": text}
        return told | {"training": self.training}

    def curves(self) -> dict[str, Any]:
        """Return the curves of two runs, with a point more each time."""
        self.points += 1
        steps = list(range(1, self.points + 1))
        curves = {"loss": [steps, [1 / step for step in steps]], "valid.accuracy": [steps, [0.9] * len(steps)]}
        runs = [{"name": f"run {i}", "alternative": i, "curves": curves} for i in (0, 1)]
        return {"alternatives": ["SGD", "Adam"], "per_epoch": 1, "runs": runs}


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid(tmp_path)


@pytest.fixture
def watched(grid: Grid, visit: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("xprun.reports.live.live_report.PAUSE", 0.0)
    monkeypatch.setattr("xprun.reports.live.live_report.SHARE", 0.0)
    listening = listen(port=0)
    monkeypatch.setattr("xprun.reports.live.live_report.DRAW_PAUSE", 0.0)
    with serving(listening, LiveReport(Watched(grid.look, lambda into: grid.folder, grid.curves))):
        yield visit(url_of(listening), scheme="dark").page


def test_a_page_renews_itself_and_stays_as_its_reader_left_it(grid: Grid, watched: Any) -> None:
    progress = watched.get_by_role("region", name="Progress")
    watched.get_by_role("heading", name="The report comes with the first run that ends").wait_for()
    progress.get_by_text("0 of 8 runs ended").wait_for()
    grid.let_end(1)
    watched.get_by_role("heading", name="Ranking").wait_for()
    watched.locator("summary", has_text="Every run").click()
    watched.get_by_label("Filter").fill("sgd")
    watched.locator("table[data-tools] th", has_text="lr").get_by_role("button").press("Enter")
    watched.get_by_role("button", name="Adam", exact=True).first.press("Space")
    watched.get_by_label("Filter").focus()
    watched.locator("#runs").evaluate("(section) => section.scrollIntoView()")
    top = watched.locator("#runs").evaluate("(section) => section.getBoundingClientRect().top")
    grid.let_end(2)
    grid.state = "over"
    watched.get_by_text("Every run (8)").wait_for()
    progress.get_by_text("8 of 8 runs ended").wait_for()
    assert watched.locator(".tools output").inner_text() == "4 of 4 rows"
    assert watched.locator("table[data-tools] th", has_text="lr").get_attribute("aria-sort") == "ascending"
    assert watched.get_by_role("button", name="Adam", exact=True).first.get_attribute("aria-pressed") == "false"
    assert watched.evaluate("document.activeElement.type") == "search"
    assert abs(watched.locator("#runs").evaluate("(section) => section.getBoundingClientRect().top") - top) < 2


def test_curves_grow_while_runs_train_and_are_gone_when_they_have_ended(grid: Grid, watched: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    grid.training = "2 runs at step 3 of 10, best now SGD: loss 0.3"
    now = watched.get_by_role("region", name="In training")
    now.get_by_text("2 runs at step 3 of 10").wait_for()
    plot = now.get_by_role("img", name="loss over steps")
    plot.wait_for()
    before = int(plot.get_attribute("data-points"))
    watched.wait_for_function(
        "(before) => +document.querySelector('.training [data-points]').dataset.points > before", arg=before
    )
    assert now.locator("figcaption").all_inner_texts()[1] == "valid.accuracy: 0.9"
    assert now.locator(".keys li").all_inner_texts() == ["SGD", "Adam"]
    found = axe.Axe().run(watched)
    assert found.violations_count == 0, found.generate_report()
    grid.training = ""
    now.wait_for(state="hidden")


def test_a_page_whose_server_is_gone_says_so(grid: Grid, visit: Callable[..., Opened]) -> None:
    grid.let_end(2)
    listening = listen(port=0)
    with serving(listening, LiveReport(Watched(grid.look, lambda into: grid.folder))):
        opened = visit(url_of(listening))
        opened.page.get_by_role("heading", name="Ranking").wait_for()
    opened.page.get_by_text("the program that served this page has ended").wait_for()
    opened.complaints[:] = [text for text in opened.complaints if "ERR_CONNECTION_REFUSED" not in text]


def test_axe_finds_nothing_on_a_page_that_waits(watched: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    watched.get_by_text("0 of 8 runs ended").wait_for()
    found = axe.Axe().run(watched)
    assert found.violations_count == 0, found.generate_report()
