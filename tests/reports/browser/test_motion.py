"""A reader plays paths, pauses, steps and drags; with reduced motion and on paper they stand still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case, add_paths, write_folder
from xprun.reports import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cases = [Case("SGD", 0.1, [0.9]), Case("Adam", 0.1, [None])]
    folder = write_folder(tmp_path_factory.mktemp("report"), cases)
    write_report(add_paths(folder, {0: (3.0, 1.0), 1: (70.0, 7.0)}))
    return folder / "report.html"


@pytest.fixture
def page(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, in a window and with such motion as the test's parameter says; it must not complain."""
    options = {"viewport": {"width": 1280, "height": 900}} | getattr(request, "param", {})
    context, complaints = browser.new_context(**options), []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    yield page
    assert complaints == []
    context.close()


def parts(page: Any) -> tuple[Any, Any, Any]:
    """The figure, its slider, and what it tells."""
    figure = page.locator("#paths figure")
    return figure, figure.get_by_label("Steps taken"), figure.locator("output")


def until(holds: Callable[[], bool], page: Any) -> None:
    """Wait, at most some seconds; the page's policy forbids the waiting of Playwright, which evaluates texts."""
    for _ in range(200):
        if holds():
            return
        page.wait_for_timeout(50)
    pytest.fail("it did not happen")


def test_at_first_the_whole_paths_are_there(page: Any) -> None:
    figure, slider, told = parts(page)
    assert told.inner_text() == "after 40 steps"
    assert slider.input_value() == "40"
    assert figure.locator(".plot > svg > g [data-series='0']").first.is_visible()
    assert not figure.locator(".layer").is_visible()


def test_play_goes_from_the_start_to_the_end_and_pauses(page: Any) -> None:
    figure, slider, told = parts(page)
    play = figure.get_by_role("button", name="Play")
    play.click()
    until(lambda: int(slider.input_value()) in range(3, 40), page)
    figure.get_by_role("button", name="Pause").click()
    at = slider.input_value()
    assert 3 <= int(at) <= 40
    page.wait_for_timeout(500)
    assert slider.input_value() == at
    slider.evaluate("slider => { slider.value = 38; slider.dispatchEvent(new Event('input')); }")
    assert told.inner_text() == "after 38 steps"
    play.click()
    until(lambda: told.inner_text() == "after 40 steps", page)
    assert figure.get_by_role("button", name="Play").is_visible()
    assert not figure.locator(".layer").is_visible()


def test_steps_move_the_marks_along_the_path(page: Any) -> None:
    figure, _, told = parts(page)
    figure.locator(".plot").press("Home")
    line, mark = figure.locator(".layer [data-series='0'] path").all()
    start = mark.get_attribute("d")
    assert told.inner_text() == "after 0 steps"
    figure.get_by_role("button", name="Step", exact=True).click()
    assert told.inner_text() == "after 1 step"
    assert mark.get_attribute("d") != start
    assert line.get_attribute("d").count("L") == 1
    assert not figure.locator(".plot > svg > g [data-series='0']").first.is_visible()
    figure.get_by_role("button", name="Step back").click()
    assert mark.get_attribute("d") == start


def test_marks_lie_where_the_picture_has_the_path(page: Any) -> None:
    """The layer's mark at the start and the ring that matplotlib drew there have one middle."""
    figure, _, _ = parts(page)
    middle = """part => {
        const box = part.getBoundingClientRect(), plot = part.closest('.plot').getBoundingClientRect();
        return [box.x + box.width / 2 - plot.x, box.y + box.height / 2 - plot.y];
    }"""
    ring = figure.locator(".plot > svg > g [data-series='0'] use").first
    x, y = ring.evaluate(middle)
    figure.locator(".plot").press("Home")
    mark = figure.locator(".layer [data-series='0'] path").nth(1)
    assert mark.evaluate(middle) == [pytest.approx(x, abs=1.5), pytest.approx(y, abs=1.5)]


def test_keys_step_and_play(page: Any) -> None:
    figure, slider, told = parts(page)
    plot = figure.locator(".plot")
    plot.press("ArrowLeft")
    assert told.inner_text() == "after 39 steps"
    plot.press("PageUp")
    assert told.inner_text() == "after 19 steps"
    plot.press("Space")
    assert figure.get_by_role("button", name="Pause").is_visible()
    plot.press("Space")
    assert figure.get_by_role("button", name="Play").is_visible()
    slider.focus()
    slider.press("Home")
    assert told.inner_text() == "after 0 steps"
    assert slider.get_attribute("aria-valuetext") == "after 0 steps"


def test_a_series_is_switched_off_in_motion_too(page: Any) -> None:
    figure, _, _ = parts(page)
    figure.locator(".plot").press("ArrowLeft")
    line = figure.locator(".layer [data-series='0'] path").first
    assert line.is_visible()
    page.locator(".legend button[data-series='0']").click()
    assert not line.is_visible()


@pytest.mark.parametrize("page", [{"reduced_motion": "reduce"}], indirect=True)
def test_with_reduced_motion_nothing_plays_and_steps_remain(page: Any) -> None:
    figure, _, told = parts(page)
    assert not figure.get_by_role("button", name="Play").is_visible()
    figure.locator(".plot").press("Space")
    page.wait_for_timeout(300)
    assert told.inner_text() == "after 40 steps"
    figure.get_by_role("button", name="Step back").click()
    assert told.inner_text() == "after 39 steps"


def test_paper_has_the_whole_paths_and_no_buttons(page: Any) -> None:
    figure, _, _ = parts(page)
    figure.locator(".plot").press("Home")
    page.emulate_media(media="print")
    assert figure.locator(".plot > svg > g [data-series='0']").first.is_visible()
    assert not figure.locator(".layer").is_visible()
    assert not figure.locator(".player").is_visible()


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 900}, "color_scheme": "dark"}], indirect=True)
def test_it_fits_a_phone_and_axe_finds_nothing(page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.locator("#paths .plot").press("ArrowLeft")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
