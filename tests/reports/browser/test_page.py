"""A browser opens a report: it asks nobody for anything, and sorts, filters, switches, tells values and copies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image
from support.folders import Case, write_folder
from xprun.reports import write_report

from .conftest import Opened, contrasts

HOSTILE = "<script>alert(1)</script>"
LABELS = ("SGD", "Adam", HOSTILE)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cases = [
        Case(label, lr, [0.5 + 0.1 * i + lr + 0.01 * seed for seed in range(6)], {"optimizer.momentum": m})
        for i, label in enumerate(LABELS)
        for lr in (0.01, 0.1)
        for m in (0.0, 0.5, 0.9)
    ]
    cases.append(Case("SGD", 1.0, [None] * 6, {"optimizer.momentum": 0.0}))
    folder = write_folder(tmp_path_factory.mktemp("report"), cases, baseline="SGD", target=0.55)
    facts = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    (folder / "environment.json").write_text(json.dumps(facts | {"command": "xprun demo.toml"}), encoding="utf-8")
    write_report(folder)
    return folder / "report.html"


@pytest.fixture
def opened(visit: Callable[..., Opened], report: Path, request: pytest.FixtureRequest) -> Opened:
    """The page, in a window as wide and in colours as the test's parameter says."""
    return visit(report.as_uri(), *getattr(request, "param", ()))


def open_runs(page: Any) -> Any:
    page.locator("summary", has_text="Every run").click()
    return page.locator("table[data-command]")


def column(table: Any, number: int) -> list[str]:
    return [text.strip() for text in table.locator(f"tbody tr td:nth-child({number})").all_inner_texts()]


@pytest.mark.parametrize("opened", [(390, "dark"), (820, "light"), (1280, "light")], indirect=True)
def test_nothing_sticks_out_and_text_is_readable(opened: Opened) -> None:
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert contrasts(page) == []


def test_a_hostile_label_is_text(opened: Opened) -> None:
    assert opened.page.get_by_role("cell", name=HOSTILE).first.is_visible()


def test_a_column_sorts_up_and_down_by_value(opened: Opened) -> None:
    table = open_runs(opened.page)
    head = table.get_by_role("columnheader", name="lr")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(table, 3)[0] == "0.01"
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(table, 3)[:7] == ["1"] * 6 + ["0.1"]


def test_rows_are_filtered_by_words_and_status(opened: Opened) -> None:
    table = open_runs(opened.page)
    told = opened.page.locator(".tools output")
    assert told.inner_text() == "100 of 114 rows"
    opened.page.get_by_role("button", name="Show more").click()
    assert table.locator("tbody tr").count() == 114
    opened.page.get_by_label("Filter").fill("adam")
    assert told.inner_text() == "36 of 36 rows"
    assert set(column(table, 2)) == {"Adam"}
    opened.page.get_by_label("Filter").fill("")
    opened.page.get_by_label("Status").select_option("diverged")
    assert told.inner_text() == "6 of 6 rows"


def test_a_button_copies_the_command_that_runs_a_row_again(opened: Opened) -> None:
    table = open_runs(opened.page)
    button = table.get_by_role("button", name="Copy the command that runs 000000000000 again")
    button.click()
    assert opened.page.evaluate("navigator.clipboard.readText()") == (
        "xprun demo.toml --only 000000000000 -o runs/000000000000"
    )
    assert button.inner_text() == "copied"


def test_series_are_switched_off_and_on(opened: Opened) -> None:
    lines = opened.page.locator("#curves .plot:visible [data-series='0'] > path")
    button = opened.page.locator(".legend button[data-series='0']")
    assert lines.filter(visible=True).count() == lines.count() > 1
    button.press("Space")
    assert button.get_attribute("aria-pressed") == "false"
    assert lines.filter(visible=True).count() == 0
    button.click()
    assert lines.filter(visible=True).count() == lines.count()


def test_the_scale_is_switched(opened: Opened) -> None:
    figure = opened.page.locator("#curves figure").first
    first, second = figure.locator(".plot").nth(0), figure.locator(".plot").nth(1)
    shown, other = figure.locator(".view").nth(0), figure.locator(".view").nth(1)
    other.click()
    assert not first.is_visible()
    assert second.is_visible()
    assert [shown.get_attribute("aria-pressed"), other.get_attribute("aria-pressed")] == ["false", "true"]
    shown.press("Enter")
    assert first.is_visible()


def test_values_are_told_at_the_pointer_and_by_arrow_keys(opened: Opened) -> None:
    plot = opened.page.locator(".plot[data-hover]").first
    plot.hover(position={"x": 200, "y": 80})
    values = plot.locator(".values")
    assert values.inner_text().startswith("step ")
    assert HOSTILE in values.inner_text()
    assert values.locator("svg").count() == values.locator("span").count() == 3
    told = [float(text) for text in values.locator("span b").all_inner_texts()]
    assert told == sorted(told, reverse=True)
    below = "(values) => values.getBoundingClientRect().top - values.closest('.plot').getBoundingClientRect().bottom"
    assert values.evaluate(below) >= -1  # so that they cover no curve
    plot.focus()
    plot.press("End")
    assert values.inner_text().startswith("step 40")
    plot.press("ArrowLeft")
    assert values.inner_text().startswith("step 39")
    plot.press("Escape")
    assert not values.is_visible()


def test_printing_opens_what_is_folded(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    assert opened.page.locator("pre").first.is_visible()
    assert not opened.page.locator(".view").first.is_visible()


@pytest.mark.parametrize("opened", [(1280, "dark")], indirect=True)
def test_axe_finds_nothing(opened: Opened) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    open_runs(opened.page)
    found = axe.Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


def saved(page: Any, figure: Any, kind: str) -> Path:
    with page.expect_download() as download:
        figure.get_by_role("button", name=f"as {kind}").click()
    return Path(download.value.path())


@pytest.mark.parametrize("opened", [(1280, "light"), (390, "dark")], indirect=True)
def test_a_plot_and_its_data_are_saved_without_a_request(opened: Opened) -> None:
    page, figure = opened.page, opened.page.locator("#curves figure").first
    page.locator(".legend button[data-series='1']").click()
    image = ElementTree.fromstring(saved(page, figure, "SVG").read_text(encoding="utf-8"))
    text = ElementTree.tostring(image, encoding="unicode")
    assert "var(" not in text
    assert "currentColor" not in text
    words = {element.text for element in image.iter("{http://www.w3.org/2000/svg}text")}
    assert HOSTILE in words
    assert "loss over the steps" in words
    assert len([name for name in LABELS if name in words]) == 2  # one is switched off
    with Image.open(saved(page, figure, "PNG")) as picture:
        assert picture.width > 1000
        colours = {colour for _, colour in picture.convert("RGB").quantize(16).convert("RGB").getcolors()}
        assert len(colours) > 3
    table = pd.read_csv(saved(page, figure, "CSV"))
    assert list(table) == ["alternative", "part", "step", "value"]
    assert set(table["alternative"]) == set(LABELS)
    assert table["step"].max() == 40


def test_contents_stay_in_sight_and_lead_everywhere(opened: Opened) -> None:
    page = opened.page
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        contents = page.get_by_role("navigation", name="Contents")
        contents.get_by_role("link", name="Runs").click()
        assert page.locator("#runs h2").evaluate("(h) => h.getBoundingClientRect().top") < 844
        assert contents.get_by_role("link", name="Top").evaluate("(a) => a.getBoundingClientRect().top") >= 0
        assert page.get_by_role("group", name="Alternatives in the plots").is_visible()
        contents.get_by_role("link", name="Top").click()
        assert page.evaluate("window.scrollY") < 60
        assert contents.get_by_role("link", name="results.csv").get_attribute("href") == "results.csv"


def test_the_first_column_stays_on_a_small_screen(visit: Callable[..., Opened], report: Path) -> None:
    page = visit(report.as_uri(), 390).page
    region = page.locator("#ranking .scroll").first
    assert region.evaluate("(r) => { r.scrollLeft = 200; return r.scrollLeft; }") > 100
    first = "(r) => r.querySelector('tbody td').getBoundingClientRect().left - r.getBoundingClientRect().left"
    assert abs(region.evaluate(first)) < 1
    last = (
        "(r) => r.getBoundingClientRect().right - r.querySelector('tbody td:last-child').getBoundingClientRect().right"
    )
    assert abs(region.evaluate(last)) < 1
