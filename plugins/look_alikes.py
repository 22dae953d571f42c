"""Texts that look the same and are not: zero-width characters, letters of other alphabets, other normal forms."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

# Letters of Cyrillic and Greek that most fonts draw as the Latin ones below them.
LETTERS = str.maketrans(
    "аеорсхуіјѕԁһԛԝАВЕКМНОРСТХІЈЅοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",  # noqa: RUF001 - what is looked for
    "aeopcxyijsdhqwABEKMHOPCTXIJSoABEZHIKMNOPTYX",
)
VARIATIONS = {chr(code) for code in range(0xFE00, 0xFE10)}  # of the sign before them


def looks_like(text: str) -> str:
    """Return what a text looks like: the same for texts that a reader cannot tell apart."""
    composed = unicodedata.normalize("NFC", text)
    visible = (c for c in composed if unicodedata.category(c) != "Cf" and c not in VARIATIONS)
    return " ".join("".join(visible).translate(LETTERS).split())


def look_alikes(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each text that looks like an earlier one and differs from it, after that one."""
    seen: dict[str, str] = {}
    for text in texts:
        first = seen.setdefault(looks_like(text), text)
        if first != text:
            yield first, text
