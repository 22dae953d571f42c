"""Hooks of mkdocs: pages of the repository's root, and files that pages link to, become part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
SOURCES = ("specs/*.toml", "benchmarks/*.py", "LICENSE")  # what pages link to outside docs/
LINK = re.compile(r"(\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, whose links lead to `docs/...`, and the sources that pages link to."""
    for name, place in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=LINK.sub(_from_docs, text)))
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            place = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let links from docs/ to the rest of the repository lead to where it is in the site."""
    return LINK.sub(lambda link: link[1] + link[2].removeprefix("../"), markdown) if _is_top(page) else markdown


def _is_top(page: Any) -> bool:
    return "/" not in page.file.src_uri


def _from_docs(link: re.Match[str]) -> str:
    """Return a link of a page in the root as it is from docs/."""
    target = link[2].removeprefix("docs/")
    return link[1] + {"README.md": "index.md"}.get(target, target)
