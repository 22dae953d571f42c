"""Every spec in `bad/` is refused with the very words that stand in the text file beside it.

`XPRUN_ACCEPT=1 pytest tests/specs/language/test_golden_errors.py` writes the text files anew; read what has changed
before you commit it.
Lists of names that grow with every new component stand there as `<every loss>`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from xprun.plugins.kinds import KINDS
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import RunSettings, SpecError, read_document, read_spec
from xprun.specs.language.filters import SECTIONS
from xprun.specs.language.schema import known_sections
from xprun.specs.language.wording import listed

FOLDER = Path(__file__).parent / "bad"
SPECS = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.fixture(autouse=True)
def _beside_the_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


def complaints(name: str) -> str:
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(Path(f"{name}.toml"))), REGISTRY)
    return caught.value.render()


def without_growing_lists(text: str) -> str:
    """Return the text with the names of all sections, of all components of a kind, and so on, replaced by a word."""
    grows = {f"every {kind}": REGISTRY.names(kind) for kind in KINDS}
    grows |= {"every section": known_sections(), "every setting of [run]": list(RunSettings.model_fields)}
    sections = ", ".join(SECTIONS)
    text = text.replace(f"a key starts with {sections}", "a key starts with <every section of components>, run")
    grows |= {f"every setting of {c.name}": [*c.schema] for c in REGISTRY.components("data")}
    for word, names in grows.items():
        text = text.replace(f"one of {listed('', names)}", f"one of <{word}>")
        text = text.replace(f"a spec has {listed('', names)}", f"a spec has <{word}>")
        text = text.replace(f"takes {listed('', names)}", f"takes <{word}>")
    return re.sub(r"is one of [^\n]*\(\d+ in all; xprun ls (\w+) lists them\)", r"is one of <every \1>", text)


@pytest.mark.parametrize("name", SPECS)
def test_the_message_is_the_one_beside_the_spec(name: str) -> None:
    text = without_growing_lists(complaints(name)) + "\n"
    beside = Path(f"{name}.txt")
    if os.environ.get("XPRUN_ACCEPT"):
        beside.write_text(text, encoding="utf-8")
    assert text == beside.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SPECS)
def test_every_error_says_file_line_column_and_what_is_wrong(name: str) -> None:
    heads = [line for line in complaints(name).splitlines() if not line.startswith(" ")]
    assert heads
    assert all(re.match(r"[\w/-]+\.toml:\d+:\d+: \S", head) for head in heads)


def test_there_are_many_and_each_has_its_text() -> None:
    assert len(SPECS) >= 100
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(SPECS)
