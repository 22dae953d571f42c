"""A browser, what a user must never see happen in it, and the reports of the shipped specs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from filelock import FileLock
from xprun.runner.cli.main import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SPECS = Path(__file__).parents[3] / "specs"
SHORTER = {  # what would take more than a second or two
    "batch_sizes": ["run.epochs=2", "run.seeds=2"],
    "digits_cnn": ["run.epochs=1", "run.seeds=2"],
    "digits_mlp": ["run.epochs=3", "run.seeds=2"],
    "finetune": ["run.epochs=1"],
    "line": ["run.steps=60"],
    "line_module": ["run.steps=[30, 300]"],
    "losses": ["run.steps=500"],
    "optimizers": ["run.epochs=2", "run.seeds=3"],
    "polynomial": ["run.steps=500", "run.seeds=3"],
    "thermometer": ["run.steps=2000"],
    "thermometer_paths": ["run.steps=200"],
    "three_gradients": ["run.steps=[1, 300]", "run.record_every=50"],
}


@dataclass
class Opened:
    """A page, and what a user must never see happen: messages, errors, dialogues and requests to anywhere else."""

    page: Any
    home: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        page, note = self.page, self.complaints.append
        page.on("console", lambda message: note(message.text))
        page.on("pageerror", lambda error: note(str(error)))
        page.on("dialog", lambda dialog: (note(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: None if request.url.startswith(self.home) else note(request.url))
        page.goto(self.home)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    reason = "playwright is not installed: pip install '.[browser]'"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as engines:
        browser = engines.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens pages, `visit(url, 360, "dark")`; the test fails where one of them complains."""
    contexts, pages = [], []

    def open_page(url: str, width: int = 1280, scheme: str = "light") -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        pages.append(Opened(context.new_page(), url))
        return pages[-1]

    yield open_page
    for page in pages:
        assert page.complaints == []
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of a shipped spec, run once for all tests and test processes, shortened where it takes long."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shipped"
    folder.mkdir(exist_ok=True)

    def report(name: str) -> Path:
        page = folder / name / "report.html"
        with FileLock(folder / f"{name}.lock"):
            if not page.exists():
                sets = [part for setting in SHORTER.get(name, []) for part in ("--set", setting)]
                CliRunner().invoke(main, [str(SPECS / f"{name}.toml"), "-q", "-j", "0", "-o", str(page.parent), *sets])
        return page

    return report


def contrasts(page: Any, least: float = 4.5) -> list[str]:
    """Texts with less contrast to what is painted behind them than `least`, or 3 where they are large.

    Computed from the effective colours: of the text as inherited and as far as it is opaque, and of the shapes and
    boxes under its middle, those of plots included (WCAG 2.2, 1.4.3).
    """
    page.set_viewport_size({"width": page.viewport_size["width"], "height": page.evaluate(HEIGHT)})
    return list(page.evaluate(CONTRASTS, least))


HEIGHT = "Math.min(document.documentElement.scrollHeight, 15000)"
CONTRASTS = """(least) => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
  const part = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const opacity = (element) => {
    let found = 1;
    for (let e = element; e; e = e.parentElement) found *= parseFloat(getComputedStyle(e).opacity);
    return found;
  };
  const inSvg = (element) => element instanceof SVGElement && !(element instanceof SVGSVGElement);
  const paint = (element) => {
    const style = getComputedStyle(element);
    const ground = !['text', 'g', 'use'].includes(element.tagName) && style.fill !== 'none'; // marks of data are none
    if (inSvg(element) && !ground) return null;
    const [r, g, b, a] = rgba(inSvg(element) ? style.fill : style.backgroundColor);
    return [r, g, b, a * (inSvg(element) ? parseFloat(style.fillOpacity) : 1) * opacity(element)];
  };
  const found = [];
  let examined = 0;
  const seen = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || seen.has(element) || element.closest('script, style, option')) continue;
    seen.add(element);
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getClientRects()[0];
    if (!box || !box.width || !element.checkVisibility({ visibilityProperty: true })) continue;
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    const stack = document.elementsFromPoint(x, y);
    if (!stack.includes(element)) continue; // scrolled out of sight
    examined += 1;
    const under = stack.slice(stack.indexOf(element)).map(paint).filter((layer) => layer && layer[3] > 0);
    let back = rgba('Canvas');
    for (const layer of under.reverse()) back = over(layer, back);
    const style = getComputedStyle(element);
    const [r, g, b, a] = rgba(inSvg(element) ? style.fill : style.color);
    const ink = light(over([r, g, b, a * opacity(element)], back)), paper = light(back);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : least)) found.push(`${node.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return examined < 50 ? [`only ${examined} texts were found`] : found;
}"""
