"""Runs the shipped specs, checks their claims, and puts their reports into docs/gallery and docs/gallery.md.

`make gallery` calls it. It needs no browser; with Playwright and a chromium it also takes the picture of the README.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import tomli
from PIL import Image
from xprun.specs.language.library import FOLDER

DOCS = Path(__file__).parent
SPECS = DOCS.parent / "specs"
GALLERY = DOCS / "gallery"
WIDTH = 640  # pixels of a plot
SHOWN = ("optimizers", DOCS / "report.png")  # whose report the README shows
HEAD = """# Gallery

The shipped specs, each with its report as `xprun` wrote it in Markdown; the output folder also has it as an HTML page,
`report.html`. Each spec [claims](expectations.md) results, published ones where there are any, and `make specs` checks
them all. `make gallery` generates this page, the reports and their pictures.
"""


def main() -> None:
    """Write the page, the reports and their plots."""
    shutil.rmtree(GALLERY, ignore_errors=True)
    entries = [entry(spec) for spec in sorted(SPECS.glob("*.toml"))]
    (DOCS / "gallery.md").write_text("\n".join([HEAD, *entries]), encoding="utf-8")
    name, picture = SHOWN
    photograph(Path("runs") / name / "report.html", picture)


def entry(spec: Path) -> str:
    """Return what the page says of a spec: its title, its first comment, and a picture of what came out."""
    text = spec.read_text(encoding="utf-8")
    said = tomli.loads(text)
    comment = " ".join(line.lstrip("# ") for line in text.partition("\n\n")[0].splitlines() if line.startswith("#"))
    links = [f"[`xprun specs/{spec.name}`](../specs/{spec.name})"]
    lines = [f"## {said['title']}", "", comment, ""]
    report = run(spec)
    if report is None:
        return "\n".join([*lines, *links, ""])
    links += [f"[its report]({report.relative_to(DOCS)})"]
    picture = telling(report)
    shown = ["", f"![{said['title']}]({picture.relative_to(DOCS)})"] if picture else []
    return "\n".join([*lines, " · ".join(links), *shown, ""])


def run(spec: Path) -> Path | None:
    """Run a spec and return its report in the gallery, or None where its data are absent."""
    xprun = Path(sys.executable).with_name("xprun")
    done = subprocess.run([xprun, "test", spec.relative_to(Path.cwd())], check=False)
    if done.returncode != 0:
        return None
    folder, kept = Path("runs") / spec.stem, GALLERY / spec.stem
    (kept / "plots").mkdir(parents=True)
    text = (folder / "report.md").read_text(encoding="utf-8")
    (kept / "report.md").write_text(text.replace(f"{FOLDER}/", "specs/"), encoding="utf-8")  # of what a spec extends
    shutil.copy(folder / "resolved.json", kept)
    for plot in sorted((folder / "plots").glob("*.png")):
        shrink(plot, kept / "plots" / plot.name)
    return kept / "report.md"


def telling(report: Path) -> Path | None:
    """Return the plot of a report that tells most: paths, else how sensitive, else how the metric compared went."""
    facts = report.with_name("resolved.json")
    metric = json.loads(facts.read_text(encoding="utf-8"))["compare"]["metric"]
    facts.unlink()
    plots = report.parent / "plots"
    several = [plot for kind in ("paths", "sensitivity") for plot in sorted(plots.glob(f"{kind}-*.png"))]
    wanted = [*several, plots / f"curve-{metric}.png"]
    return next((plot for plot in wanted if plot.exists()), None)


def shrink(plot: Path, path: Path) -> None:
    """Save a plot in a size for a page, in 128 colours."""
    with Image.open(plot) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(128).save(path, optimize=True)


def photograph(page: Path, path: Path) -> None:
    """Save a picture of the top of a page, down to its ranking; twice as dense as a screen, in 256 colours."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or find_spec("playwright") is None:
        print(f"{path.name} stays as it is: a picture takes Playwright and a chromium", file=sys.stderr)
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engines:
        browser = engines.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1120, "height": 900}, device_scale_factor=2)
        tab.goto(page.resolve().as_uri())
        end = tab.locator("#ranking table").first.bounding_box()
        assert end
        height = end["y"] + end["height"] + 24
        tab.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": 1120, "height": height})
        browser.close()
    with Image.open(path) as image:
        colours = image.convert("RGB").quantize(256)
    colours.save(path, optimize=True)


if __name__ == "__main__":
    main()
