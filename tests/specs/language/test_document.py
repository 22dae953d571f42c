"""A document knows where everything in it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from xprun.specs import Document, SpecError, read_document
from xprun.specs.language.diagnostics import Diagnostic, render

TEXT = """\
top = 1
[a]
x = { grid = [1, 22] }
"quoted key" = 2
\tdeep.er = "é€"  # a comment
[[b]]
y = 1
[[b]]
y = [
  { name = "p" },
  # between
  { name = "q", z = true },
]
[b.inner]
w = 5
"""


@pytest.mark.parametrize(
    ("path", "at", "place"),
    [
        (("top",), "value", (1, 7)),
        (("a",), "key", (2, 2)),
        (("a", "x", "grid", 1), "value", (3, 18)),
        (("a", "quoted key"), "key", (4, 1)),
        (("a", "deep", "er"), "value", (5, 12)),
        (("b", 0, "y"), "value", (7, 5)),
        (("b", 1, "y", 1, "z"), "key", (12, 17)),
        (("b", 1, "inner", "w"), "value", (15, 5)),
        (("b", 1, "missing"), "value", (8, 3)),
        (("a", 0, "x"), "key", (3, 1)),
        ((), "key", (1, 1)),
    ],
)
def test_places(path: tuple[str | int, ...], at: Literal["key", "value"], place: tuple[int, int]) -> None:
    document = Document("f.toml", TEXT, {})
    assert document.place(path, at).position == place


def test_a_caret_stands_under_the_value_and_columns_are_characters() -> None:
    document = Document("f.toml", 'name = "é€"\nx = { y = "日本", z = 1 }\n', {})
    assert render(document, Diagnostic(("x", "z"), "is wrong", "do better")) == (
        "f.toml:2:21: x.z: is wrong\n"
        '    2 | x = { y = "日本", z = 1 }\n      |                       ^\n      do better'
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    document = Document("f.toml", "x = '\x1b[31m'\n", {})
    assert "\x1b" not in render(document, Diagnostic(("x",), "bad \x1b[2J name"))


def test_set_changes_a_value_and_is_named_in_errors(write: Callable[[str], Path], line_spec: str) -> None:
    document = read_document(write(line_spec), ("optimizer.lr=0.5", "loss.name=L1Loss", "data.samples=[10, 20]"))
    assert document.data["optimizer"]["lr"] == 0.5
    assert document.data["loss"]["name"] == "L1Loss"
    assert document.data["data"]["samples"] == [10, 20]
    assert document.place(("optimizer", "lr")).name == "--set:1:14"
    assert document.place(("data", "samples", 1)).name == "--set:3:19"


def test_set_reaches_every_alternative(write: Callable[[str], Path]) -> None:
    document = read_document(write('[[optimizer]]\nname = "a"\n[[optimizer]]\nname = "b"\n'), ("optimizer.lr=1",))
    assert [o["lr"] for o in document.data["optimizer"]] == [1, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = \n", "f.toml:1:5: invalid TOML: there is no value behind ="),
        (b"a = 1\na = 2\n", "f.toml:2:1: a is set already, at line 1"),
        (b'a = "\xff"\n', "f.toml:1:6: is not UTF-8 (byte 0xff)"),
        (b"a" * 250_001, "f.toml: is larger than the limit of 250,000 bytes"),
        (b"a = " + b"[" * 100_000, "f.toml:1:69: brackets are nested more than 64 levels deep"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.toml").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_document(Path("f.toml"))
    assert message in str(caught.value)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "line.toml").touch()
    words = r"cannot be read: no such file[^\n]*\n *did you mean line.toml\?\n *specs in that folder: line.toml\n"
    with pytest.raises(SpecError, match=words):
        read_document(tmp_path / "lime.toml")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    document = read_document(path)
    assert document.data == {"a": 1, "b": 2}
    assert document.place(("b",)).position == (2, 5)
