"""The description on a package index has no link that leads nowhere there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
description = runpy.run_path(str(ROOT / "setup.py"))["description"]
RELATIVE = re.compile(r"\]\((?!https?:|#)")


def test_without_an_address_of_the_repository_the_words_of_links_remain() -> None:
    shown = description(README, "")
    assert RELATIVE.search(README)
    assert not RELATIVE.search(shown)
    assert "![" not in shown
    assert "what is promised, and how it is tested" in shown


def test_with_an_address_links_and_pictures_lead_to_the_repository() -> None:
    shown = description(README, "https://example.org/xprun")
    assert not RELATIVE.search(shown)
    assert "](https://example.org/xprun/raw/main/docs/report.png)" in shown
    assert "](https://example.org/xprun/blob/main/docs/promises.md)" in shown
