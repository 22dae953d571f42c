"""On a phone, badge, sentence, table and the next command are seen without scrolling, whatever came out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import Case, write_folder
from xprun.reports import write_report

from .conftest import Opened

RULES = ("Adam", "scratch.adam", "SGD momentum=0.9", "scratch.adagrad", "Adagrad", "scratch.rmsprop", "RMSprop", "SGD")
PHONE = (390, 844)


def values(mean: float, seeds: int, seed: int) -> list[float | None]:
    return [round(float(mean + 0.005 * x), 4) for x in np.random.default_rng(seed).normal(size=seeds)]


def ten_rules() -> list[Case]:
    names = (*RULES, "scratch.momentum", "scratch.gd")
    return [
        Case(name, lr, values(0.97 - 0.002 * i, 3, i), fresh=values(0.97 - 0.002 * i, 10, i) if lr == 0.01 else [])
        for i, name in enumerate(names)
        for lr in (0.01, 0.3162)
    ]


KINDS: dict[str, list[Case]] = {
    "no clear winner": ten_rules(),
    "winner": [Case("Adam", 0.1, values(0.9, 8, 0)), Case("SGD", 0.1, values(0.5, 8, 1))],
    "exploratory": [Case(name, lr, values(lr, 3, 0)) for name in RULES for lr in (0.1, 0.2)],
    "too few seeds": [Case(name, 0.1, values(0.9, 3, i)) for i, name in enumerate(RULES)],
    "no result": [Case(name, 0.1, [None, None]) for name in RULES],
}


@pytest.mark.parametrize("badge", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_answer_is_on_the_first_screen(
    visit: Callable[..., Opened], tmp_path: Path, badge: str, scheme: str
) -> None:
    folder = write_folder(tmp_path, KINDS[badge], target=0.9)
    facts = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    command = "xprun specs/optimizers.toml -o runs/optimizers"
    (folder / "environment.json").write_text(json.dumps(facts | {"command": command}), encoding="utf-8")
    write_report(folder, ("html",))
    page = visit((folder / "report.html").as_uri(), PHONE[0], scheme).page
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.locator(".badge").inner_text() == badge
    assert page.locator(".next code").inner_text().startswith(command)
    for part in (".badge", ".verdict", ".summary", ".next"):
        assert inside(page, part), part
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def inside(page: Any, part: str) -> bool:
    """Whether a part lies within the window, from edge to edge."""
    box = page.locator(part).bounding_box()
    return bool(box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844)
