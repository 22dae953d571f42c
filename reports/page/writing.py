"""Writes a report into its folder, each file whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from xprun.reports.data.results_folder import read_tables
from xprun.reports.page.latex import render_tables
from xprun.reports.page.rendering import render_html, render_markdown
from xprun.reports.page.report_page import make_page
from xprun.reports.presentation.formats import DEFAULT
from xprun.reports.presentation.report_errors import ReportError
from xprun.reports.sections.asked_section import Asked


def write_report(folder: Path, formats: tuple[str, ...] = DEFAULT, plots: Iterable[Asked] = ()) -> list[Path]:
    """The paths written: what belongs to the formats, and the pages last. The same tables give the same bytes."""
    page = make_page(read_tables(folder), formats, plots)
    files = {
        f"plots/{picture.file}.{suffix}": content
        for picture in page.pictures
        for suffix, content in picture.files.items()
    }
    if "latex" in formats:
        files |= {f"tables/{name}.tex": text.encode() for name, text in render_tables(page).items()}
    if "md" in formats:
        files["report.md"] = render_markdown(page).encode()
    if "html" in formats:
        files["report.html"] = render_html(page).encode()
    written = [write_whole(_inside(folder, name), content) for name, content in files.items()]
    for parent in {path.parent for path in written}:
        _sync_names(parent)
    return written


def _inside(folder: Path, name: str) -> Path:
    """The path of a file in `folder`. `ReportError` where a link there would lead it elsewhere."""
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise ReportError(f"{path.parent} is a link to a place outside the folder; remove it")
    return path


def write_whole(path: Path, content: bytes) -> Path:
    """`path`, which holds `content`, or what it held before if anything went wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _sync_names(folder: Path) -> None:
    """Return when the names of files are on the disk; Windows cannot sync folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
