"""Runs the shipped specs, checks their claims, and writes docs/gallery.md with a picture of each: `make gallery`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import tomli
from PIL import Image

DOCS = Path(__file__).parent
SPECS = DOCS.parent / "specs"
WIDTH = 720  # pixels
HEAD = """# Gallery

The shipped specs. Each [claims](expectations.md) figures, published ones where there are any, and `make specs` checks
them all. `make gallery` makes this page.
"""


def main() -> None:
    """Write the page and its pictures."""
    entries = [entry(spec) for spec in sorted(SPECS.glob("*.toml"))]
    (DOCS / "gallery.md").write_text("\n".join([HEAD, *entries]), encoding="utf-8")


def entry(spec: Path) -> str:
    """Return what the page says of a spec: its title, its first comment, and a picture of what came out."""
    text = spec.read_text(encoding="utf-8")
    said = tomli.loads(text)
    comment = " ".join(line.lstrip("# ") for line in text.partition("\n\n")[0].splitlines() if line.startswith("#"))
    lines = [f"## {said['title']}", "", comment, "", f"[`xprun specs/{spec.name}`](../specs/{spec.name})"]
    picture = run(spec)
    if picture:
        saved = save(picture, DOCS / "gallery" / f"{spec.stem}.png")
        lines += ["", f"![{said['title']}]({saved.relative_to(DOCS)})"]
    return "\n".join([*lines, ""])


def run(spec: Path) -> Path | None:
    """Run a spec and return the plot that tells most, or None where its data are absent."""
    xprun = Path(sys.executable).with_name("xprun")
    done = subprocess.run([xprun, "test", spec.relative_to(Path.cwd())], check=False)
    folder = Path("runs") / spec.stem
    plots = folder / "plots"
    metric = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))["compare"]["metric"]
    wanted = [
        *sorted(plots.glob("*paths-*.png")),
        *sorted(plots.glob("sensitivity-*.png")),
        plots / f"curve-{metric}.png",
    ]
    return next((plot for plot in wanted if plot.exists()), None) if done.returncode == 0 else None


def save(plot: Path, path: Path) -> Path:
    """Save a plot in a size for a page, in 256 colours."""
    path.parent.mkdir(exist_ok=True)
    with Image.open(plot) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(256).save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
