"""What users read is plain English of the field: phrases that were replaced do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "specs", "plugins", "runner", "reports")
# A phrase, and what to write instead.
REPLACED = {
    r"(does|did|do|not) not end well|n[o']t ended well|ended well|end well": "failed or diverged; finished",
    r"not distinguishable|do not distinguish": "inconclusive (5 seeds); identical; not significant",
    r"it takes more to tell them apart|tells? them apart": "5 seeds cannot separate them; run at least 6",
    r"\blevel with\b": "tie",
    r"\bRoom around\b|room around the best": "Range of good values",
    r"of the best of so many settings": "Expected best ... after trying k random settings",
    r"times the least\b": "slowdown vs. fastest; within a factor of the best",
    r"selects no run\b": "no run matches `where`",
    r"takes at least \S+ seeds": "confidence 0.95 needs at least 5 seeds",
    r"chance to be better": "probability of improvement",
    r"alternative less the baseline": "Difference from the baseline",
    r"How much worse is none": "Ignore a drop of up to this much",
    r"Say what is wrong with a spec": "Check a spec for errors without running it",
    r"Seeds are no problems|no problems: they repeat": "Seeds are repeats of a problem",
    r"\btexts? in quotes\b|text stands in quotes": "a string",
    r"\bwhole numbers?\b": "an integer",
    r"TOML that is none": "invalid TOML",
    r"number >= \S+ <=? \S+": "0 <= x < 1",
    r"and the cure\b|\bits cure\b": "the fix",
    r"stands? for its kind|stands? for \S+ runs": "expands to",
}
WRONG = re.compile("|".join(f"(?:{phrase})" for phrase in REPLACED))


def prose() -> Iterator[tuple[str, str]]:
    """Yield each page and template by its name; the gallery holds reports as they were when it was made."""
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "reports/templates").rglob("*.*")]
    for path in files:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def literals() -> Iterator[tuple[str, str]]:
    """Yield the string literals of each module of the packages, docstrings of functions included."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            yield path.relative_to(ROOT).as_posix(), "\n".join(texts)


@pytest.mark.parametrize("source", [prose, literals])
def test_a_phrase_that_was_replaced_is_nowhere(source: object) -> None:
    assert callable(source)
    found = [f"{name}: {match[0]!r}" for name, text in source() for match in WRONG.finditer(" ".join(text.split()))]
    assert found == []


@pytest.mark.parametrize(
    "phrase",
    [
        "2 of 5 runs did not end well",
        "not distinguishable with n = 5 seeds",
        "must be a whole number, not 2.5",
        "number >= 0 < 1; default 0.9",
        "all at once, with file, line, column and the cure",
    ],
)
def test_such_a_phrase_would_be_found(phrase: str) -> None:
    assert WRONG.search(phrase)
