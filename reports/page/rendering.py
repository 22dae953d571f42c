"""Renders a page as HTML and as Markdown. Whatever a name, label or reason contains, it comes out as text."""

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from xprun.reports.page.report_page import Page
from xprun.reports.presentation.formatting import Listing, shorten, visible

TEMPLATES = Path(__file__).parent.parent / "templates"
OWN = {
    "style": ["report.css"],
    "script": ["report.js", "saving.js", "motion.js", "start.js"],
    "live_script": ["live.js"],
}  # so not escaped


def render_html(page: Page, live: str = "") -> str:
    """One self-contained document: style and plots inside, no request to anywhere.

    `live`: what this page is called, for a script that asks the server that it came from for a newer one.
    """
    images = any("<image" in svg for picture in page.pictures for svg in picture.images.views.values())
    return _document("report.html.j2", live, images=images, page=page)


def render_waiting(name: str, live: str) -> str:
    """What stands in the place of a live report before there is one."""
    return _document("waiting.html.j2", live, images=False, name=name)


def render_training(plots: list[Any], legend: list[tuple[str, str]], size: tuple[int, int]) -> str:
    """The curves so far of runs in training, for a live page; see `live/training_curves.py`."""
    template = _templates("html").get_template("training.html.j2")
    return template.render(plots=plots, legend=legend, width=size[0], height=size[1])


def _document(template: str, live: str, **content: Any) -> str:
    own = {name: Markup("".join(map(_read, files))) for name, files in OWN.items()}
    return _templates("html").get_template(template).render(live=live, **own, **content)


def _read(file: str) -> str:
    return (TEMPLATES / file).read_text(encoding="utf-8")


def render_markdown(page: Page) -> str:
    """The same in GitHub's Markdown, with the plots as files beside it."""
    return _templates("markdown").get_template("report.md.j2").render(page=page)


def render_listing(table: Listing, *, markdown: bool = False) -> str:
    """A table for a terminal, its columns aligned; or in Markdown, for a comment on a pull request."""
    if markdown:
        rows = [table.head, ["--:" if number else ":--" for number in table.number], *table.rows]
        return "\n".join("| " + " | ".join(map(escape_markdown, row)) + " |" for row in rows)
    rows = [[shorten(cell, 60) for cell in row] for row in [table.head, *table.rows]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths, table.number) for row in rows)


def _aligned(row: Iterable[str], widths: list[int], number: list[bool]) -> str:
    cells = zip(row, widths, number, strict=True)
    return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()


def escape_markdown(value: Any) -> Markup:
    """`value` as text in one line of Markdown, in a table cell or outside: nothing in it is markup or a link."""
    line = visible(" ".join(str(value).split()))
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("://", "&#58;//"), ("www.", "www&#46;")):
        line = line.replace(character, entity)
    return Markup(re.sub(r"([\\`*_\[\]|~$])", r"\\\1", line))


@cache
def _templates(kind: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_as_markdown if kind == "markdown" else _as_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"hash": _hash, "fenced": _fenced}
    return environment


def _hash(text: str) -> Markup:
    """What a content security policy calls an inline script or style that it allows."""
    return Markup(f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}")


def _fenced(text: str, language: str) -> Markup:
    """A text as it stands, in a Markdown fence that nothing in it can close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}{language}\n{visible(text).strip()}\n{fence}")


def _as_seen(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _as_markdown(value: Any) -> Markup:
    return value if isinstance(value, Markup) else escape_markdown(value)
