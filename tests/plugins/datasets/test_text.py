"""The data set `text`: characters as tokens, and a tail that is held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.datasets.text import TextError, text
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import SpecError, read_document, read_spec

SPEC = """
data = { name = "text", file = "poem.txt" }
model = { name = "transformer" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "Adam" }
run = { epochs = 1 }
"""


@pytest.fixture
def poem(tmp_path: Path) -> Path:
    path = tmp_path / "poem.txt"
    path.write_text("abcabcabdabe", encoding="utf-8")
    return path


def test_each_character_is_predicted_from_those_before_it(poem: Path) -> None:
    table = text(file=str(poem), sequence_length=3, valid=0.0)
    assert table.inputs.tolist() == [[0, 1, 2], [0, 1, 2], [0, 1, 3]]
    assert table.targets.tolist() == [[1, 2, 0], [1, 2, 0], [1, 3, 0]]


def test_the_last_rows_are_held_out_in_their_order(tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    (tmp_path / "az.txt").write_text(letters, encoding="utf-8")
    table = text(file=str(tmp_path / "az.txt"), sequence_length=2, valid=0.25, test=0.25)
    assert table.valid is not None
    assert table.test is not None
    rows = [row for part in (table, table.valid, table.test) for row in part.inputs.tolist()]
    assert (len(table), len(table.valid), len(table.test)) == (6, 3, 3)
    assert rows == [[i, i + 1] for i in range(0, 24, 2)]


def test_a_file_without_a_sequence_is_refused(poem: Path, tmp_path: Path) -> None:
    with pytest.raises(TextError, match="has 12 characters, too few for one sequence of 12 and what follows it"):
        text(file=str(poem), sequence_length=12)
    with pytest.raises(TextError, match=r"hold out all 3 sequences of poem\.txt"):
        text(file=str(poem), sequence_length=3, valid=0.5, test=0.5)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(TextError, match=r"empty\.txt is empty"):
        text(file=str(tmp_path / "empty.txt"))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"gr\xfc\xdfe", "data.file: poem.txt is not UTF-8 (byte 3); save it as UTF-8"),
        (b"abc", "data.sequence_length: poem.txt has 3 characters, too few for one sequence of 64"),
        (b"", "data.file: poem.txt is empty"),
    ],
)
def test_check_finds_what_is_wrong_with_the_file(
    written: bytes, message: str, write: Callable[[str], Path], poem: Path
) -> None:
    poem.write_bytes(written)
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(write(SPEC))), REGISTRY)
    assert message in caught.value.render()


def test_check_finds_heads_among_which_features_cannot_be_divided(write: Callable[[str], Path], poem: Path) -> None:
    poem.write_text("abc" * 50, encoding="utf-8")
    spec = SPEC.replace('"transformer"', '"transformer", d_model = 30, nhead = 4')
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(write(spec))), REGISTRY)
    assert "model.nhead: must divide d_model, but 30 is no multiple of 4" in caught.value.render()
