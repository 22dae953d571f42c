"""A browser opens the reports of shipped specs: nothing sticks out, all text is readable, axe finds nothing.

A few of them by default, all of them with XPRUN_BROWSER=all, as `make browser` has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import SPECS, Opened, contrasts

Visit = Callable[..., Opened]
Shipped = Callable[[str], Path]
ALL = sorted(path.stem for path in SPECS.glob("*.toml") if not path.stem.endswith("_tensorflow"))
NAMES = ALL if os.environ.get("XPRUN_BROWSER") == "all" else ["line", "optimizers", "thermometer_paths"]
COLOURS = {"color-contrast": {"enabled": False}}  # it takes minutes on plots, and `contrasts` looks at all texts
WIDE = "Math.round(document.documentElement.scrollWidth - window.innerWidth)"
STICKS_OUT = """() => [...document.querySelectorAll('svg text')].filter((text) => {
  const box = text.getBoundingClientRect();
  return box.width && (box.left < -1 || box.right > document.documentElement.clientWidth + 1);
}).map((text) => text.textContent)"""


@pytest.mark.parametrize("name", NAMES)
def test_a_report_fits_every_screen(shipped: Shipped, visit: Visit, name: str) -> None:
    opened = visit(shipped(name).as_uri())
    for width in (360, 768, 1280):
        opened.page.set_viewport_size({"width": width, "height": 900})
        assert opened.page.evaluate(WIDE) <= 0, width
        assert opened.page.evaluate(STICKS_OUT) == [], width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_report_can_be_read(shipped: Shipped, visit: Visit, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = visit(shipped(name).as_uri(), 1280, scheme).page
    for summary in page.locator("summary").all():
        summary.click()
    assert contrasts(page) == []
    if scheme == "light":
        return
    found = axe.Axe().run(page, options={"rules": COLOURS})
    assert found.violations_count == 0, found.generate_report()


def test_contrasts_would_be_found_wanting(shipped: Shipped, visit: Visit) -> None:
    page = visit(shipped("line").as_uri(), 1280, "dark").page
    page.evaluate("document.querySelectorAll('.plot text').forEach((text) => text.setAttribute('fill', '#24292f'))")
    assert len(contrasts(page)) > 10


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_report_is_whole(shipped: Shipped, visit: Visit, name: str) -> None:
    page = visit(shipped(name).as_uri(), 794, "dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 36, 41)"  # ink on white
    hidden = page.evaluate("[...document.querySelectorAll('details pre')].filter((p) => !p.checkVisibility()).length")
    assert hidden == 0
    assert not page.locator(".tools, .copy, .view").filter(visible=True).count()


@pytest.mark.parametrize("name", NAMES)
def test_every_switch_of_a_report_can_be_pressed_by_keys_alone(shipped: Shipped, visit: Visit, name: str) -> None:
    page = visit(shipped(name).as_uri()).page
    for summary in page.locator("summary").all():
        summary.press("Enter")
    for button in page.locator(".legend [data-series]").all()[:3]:
        button.press("Space")
        assert button.get_attribute("aria-pressed") == "false"
        series = button.get_attribute("data-series")
        assert not page.locator(f"main svg [data-series='{series}']").filter(visible=True).count()
    for figure in page.locator("figure").all():
        for button in figure.locator(".split").all():
            button.press("Space")
            split = button.get_attribute("data-split")
            assert not figure.locator(f"svg [data-split='{split}']").filter(visible=True).count()
    table = page.locator("table[data-tools]")
    rows = table.locator("tbody tr").count()
    for head in table.locator("thead button").all():
        head.press("Enter")
        assert table.locator("tbody tr").count() == rows
    page.get_by_label("Filter").fill("no run is called so")
    assert table.locator("tbody tr").count() == 0
