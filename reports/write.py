"""Writes a report into its folder, each file whole or not at all."""

import os
from pathlib import Path

from xprun.reports.page import make_page
from xprun.reports.render import render_html, render_markdown
from xprun.reports.tables import read_tables


def write_report(folder: Path) -> list[Path]:
    """The paths written: `plots/*.png`, `report.md`, `report.html`. The same tables give the same bytes."""
    page = make_page(read_tables(folder))
    files = {
        f"plots/{picture.file}.{suffix}": content
        for picture in page.pictures
        for suffix, content in picture.files.items()
    }
    files["report.md"] = render_markdown(page).encode()
    files["report.html"] = render_html(page).encode()
    return [write_whole(folder / name, content) for name, content in files.items()]


def write_whole(path: Path, content: bytes) -> Path:
    """`path`, which holds `content`, or what it held before if anything went wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
