"""Writes a report into its folder, each file whole or not at all."""

from collections.abc import Iterable
from pathlib import Path

from xprun.reports.data.results_folder import read_tables
from xprun.reports.page.latex import render_tables
from xprun.reports.page.rendering import render_html, render_markdown
from xprun.reports.page.report_page import make_page
from xprun.reports.presentation.formats import DEFAULT
from xprun.reports.presentation.report_errors import ReportError, about
from xprun.reports.sections.plugin_plots_section import PluginPlot
from xprun.runner.results.atomic_files import replace_bytes, writing


def write_report(folder: Path, formats: tuple[str, ...] = DEFAULT, plots: Iterable[PluginPlot] = ()) -> list[Path]:
    """The paths written: what belongs to the formats, and the pages last. The same tables give the same bytes."""
    with about(folder):
        page = make_page(read_tables(folder), formats, plots)
    files = {
        f"plots/{picture.file}.{suffix}": content
        for picture in page.pictures
        for suffix, content in picture.images.files.items()
    }
    if "latex" in formats:
        files |= {f"tables/{name}.tex": text.encode() for name, text in render_tables(page).items()}
    if "md" in formats:
        files["report.md"] = render_markdown(page).encode()
    if "html" in formats:
        files["report.html"] = render_html(page).encode()
    with writing(folder):
        return [replace_bytes(_inside(folder, name), content) for name, content in files.items()]


def _inside(folder: Path, name: str) -> Path:
    """The path of a file in `folder`, in a folder that is there. `ReportError` where a link would lead it elsewhere."""
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise ReportError(f"{path.parent} is a link to a place outside the folder; remove it")
    path.parent.mkdir(exist_ok=True)
    return path
