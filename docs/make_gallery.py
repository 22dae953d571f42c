"""Runs the shipped specs, checks their claims, and puts their reports into docs/gallery and docs/gallery.md.

    python docs/make_gallery.py [NAME...]

`make gallery` calls it. With names of specs, or `bench`, only their entries are made anew. It needs no browser; with
Playwright and a chromium it also takes the picture of the README.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import tomli
from drawn_clothes import write_clothes
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


BENCH = "bench"
TORCH = ("SGD", "Momentum", "Nesterov", "Rprop", "Adagrad", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam")
SCRATCH = tuple(f"scratch.{name}" for name in ("gd", "momentum", "adagrad", "rmsprop", "adam"))
# What of a bench is shown here.
OF_ALL = ("Scoreboard", "Diagnostics", "Ranking", "Profiles and ranks", "How to read this page")
# What may be absent, what then stands in its place, and what is said of that.
DRAWN = {
    "softmax_fashion_mnist": (
        "data/FashionMNIST/raw",
        write_clothes,
        "**These are not the images of Fashion-MNIST**, which xprun has not: the report is of 6,000 drawn clothes "
        "in files of the same format, with its settings and without its claims, which are about the real ones.",
    )
}


def main(names: list[str]) -> None:
    """Write the page, the reports and their plots; with names, those alone."""
    specs = {spec.stem: spec for spec in sorted(SPECS.glob("*.toml"))}
    if unknown := set(names) - {*specs, BENCH}:
        sys.exit(f"no shipped specs: {', '.join(sorted(unknown))}")
    if not names:
        shutil.rmtree(GALLERY, ignore_errors=True)
    page = DOCS / "gallery.md"
    known = entries_of(page.read_text(encoding="utf-8")) if names else {}
    wanted = names or [*specs, BENCH]
    made = {name: bench_entry() if name == BENCH else entry(specs[name]) for name in wanted}
    entries = [(known | made)[name] for name in (*specs, BENCH) if name in known | made]
    page.write_text("\n".join([HEAD, *entries]), encoding="utf-8")
    name, picture = SHOWN
    if name in made:
        photograph(Path("runs") / name / "report.html", picture)


def entries_of(page: str) -> dict[str, str]:
    """Return what a page says of each spec, and of the bench, by name."""
    entries = [f"## {text.strip()}\n" for text in page.split("\n## ")[1:]]
    named = [(re.search(r"xprun (?:specs/(\w+)\.toml|bench )", text), text) for text in entries]
    return {found[1] or BENCH: text for found, text in named if found}


def entry(spec: Path) -> str:
    """Return what the page says of a spec: its title, its first comment, and a picture of what came out."""
    text = spec.read_text(encoding="utf-8")
    said = tomli.loads(text)
    comment = " ".join(line.lstrip("# ") for line in text.partition("\n\n")[0].splitlines() if line.startswith("#"))
    files, write, note = DRAWN.get(spec.stem, ("", None, ""))
    if write is None or Path(files).exists():
        command, note = ["test", str(spec.relative_to(Path.cwd()))], ""
    else:
        root = Path("runs") / "drawn"
        shutil.rmtree(root, ignore_errors=True)
        write(root)
        sets = [word for said_so in (f'data.root="{root}"', "expect=[]") for word in ("--set", said_so)]
        command = ["run", str(spec.relative_to(Path.cwd())), *sets]
    link = f"[`xprun specs/{spec.name}`](../specs/{spec.name})"
    return block(said["title"], [comment, note], link, run(command, Path("runs") / spec.stem, spec.stem))


def bench_entry() -> str:
    """Return what the page says of a bench of ten optimizers of torch and the five rules of the textbooks."""
    said = (
        "Ten optimizers of `torch.optim` and the five rules of a first course on the quick suite, tuned on each task."
    )
    command = ["bench", *SCRATCH, "--against", ",".join(TORCH)]
    folder = Path("runs") / "bench-fifteen"
    title, note = (
        "Fifteen optimizers on a suite of tasks",
        "[What the tasks are](bench.md), and [how they are compared](protocol.md).",
    )
    link = f"`xprun {' '.join(command)}`"
    report = run([*command, "-o", str(folder)], folder, BENCH)
    if report:
        leave_out(report)
    return block(title, [said, note], link, report)


def leave_out(report: Path) -> None:
    """Leave in a report what is about all of its problems, with the pictures that it shows, and say so."""
    head, *sections = re.split(r"(?m)^(?=## )", report.read_text(encoding="utf-8"))
    kept = [section for section in sections if section.startswith(tuple(f"## {title}\n" for title in OF_ALL))]
    note = "Left out here: each problem with its plots, the data, the models, the runs and the spec.\n"
    report.write_text("".join([head, *kept, "\n", note]), encoding="utf-8")
    shown = {report.parent / path for path in re.findall(r"\]\((plots/[^)]+)\)", report.read_text(encoding="utf-8"))}
    for picture in set((report.parent / "plots").glob("*.png")) - shown:
        picture.unlink()


def block(title: str, said: list[str], link: str, report: Path | None) -> str:
    """Return an entry: a title, paragraphs, links, and the picture that tells most."""
    lines = [f"## {title}", "", *(line for text in said if text for line in (text, ""))]
    if report is None:
        return "\n".join([*lines, link, ""])
    picture = telling(report)
    shown = ["", f"![{title}]({picture.relative_to(DOCS)})"] if picture else []
    return "\n".join([*lines, f"{link} · [its report]({report.relative_to(DOCS)})", *shown, ""])


def run(arguments: list[str], folder: Path, name: str) -> Path | None:
    """Run a command and return its report in the gallery, or None where its data are absent."""
    xprun = Path(sys.executable).with_name("xprun")
    done = subprocess.run([xprun, *arguments], check=False)
    if done.returncode != 0:
        return None
    kept = GALLERY / name
    shutil.rmtree(kept, ignore_errors=True)
    (kept / "plots").mkdir(parents=True)
    text = (folder / "report.md").read_text(encoding="utf-8")
    (kept / "report.md").write_text(text.replace(f"{FOLDER}/", "specs/"), encoding="utf-8")  # of what a spec extends
    shutil.copy(folder / "resolved.json", kept)
    for plot in sorted((folder / "plots").glob("*.png")):
        shrink(plot, kept / "plots" / plot.name)
    return kept / "report.md"


def telling(report: Path) -> Path | None:
    """Return the plot of a report that tells most: a map, paths, how sensitive, or how the metric compared went."""
    facts = report.with_name("resolved.json")
    metric = json.loads(facts.read_text(encoding="utf-8"))["compare"]["metric"]
    facts.unlink()
    plots = report.parent / "plots"
    several = [plot for kind in ("paths", "sensitivity") for plot in sorted(plots.glob(f"{kind}-*.png"))]
    curves = [plots / f"curve-{metric}.png", *sorted(plots.glob("curve-*.png"))]
    wanted = [plots / "map.png", *several, *curves]
    return next((plot for plot in wanted if plot.exists()), None)


def shrink(plot: Path, path: Path) -> None:
    """Save a plot in a size for a page, in 128 colours; the graph of a model, which may be long, in 16."""
    with Image.open(plot) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(16 if plot.name.startswith("model-") else 128).save(path, optimize=True)


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
    main(sys.argv[1:])
