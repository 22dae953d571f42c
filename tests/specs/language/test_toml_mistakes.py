"""What is no TOML is told in words of a user, with the fix, whatever the TOML library says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from xprun.specs import SpecError
from xprun.specs.language.document import read_document, read_text

HEAD = '[data]\nname = "line"\n\n[optimizer]\nname = "SGD"\n'  # six lines follow from line 6 on


def complaint(text: str) -> str:
    """Return the one error of a text, without the line that it shows."""
    with pytest.raises(SpecError) as caught:
        read_text(text, "s.toml")
    [problem] = caught.value.as_objects()
    return f"{problem['line']}:{problem['column']} {problem['message']} -> {problem['help']}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "[optimizer]\n", "6:2 [optimizer] is there already, at line 4 -> write [[optimizer]] in both places"),
        (HEAD + "[data]\n", "6:2 [data] is there already, at line 1 -> write [[data]] in both places"),
        (HEAD + "[[optimizer]]\n", "6:3 [optimizer] is there already, at line 4 -> write [[optimizer]] at line 4, too"),
        ("[[loss]]\n[loss]\n", "2:2 [[loss]] is there already, at line 1 -> write [[loss]] here, too"),
        ("[exclude]\n[exclude]\n", "2:2 [exclude] is there already, at line 1 -> write [[exclude]] in both places"),
        ("[run]\n[run]\n", "2:2 [run] is there already, at line 1 -> write these settings under the first [run]"),
        ("[a]\n[a.b]\n[a.b]\n", "3:2 [a.b] is there already, at line 2 -> write these settings under the first [a.b]"),
        ("run.steps = 3\n[run]\n", "2:2 run is there already, by run.steps at line 1 -> write steps = 3 under [run]"),
        ('loss = { name = "L1Loss" }\n[loss]\n', "2:2 loss is set already, at line 1 -> write its settings inside the"),
        ("lr = { grid = [1] }\nlr.num = 3\n", "2:1 lr is set already, at line 1 -> write num inside the braces at lin"),
        ('loss = "L1Loss"\n[loss]\n', '2:2 loss is set already, at line 1 -> write name = "L1Loss" under [loss]'),
        (
            "loss = [{}]\n[[loss]]\n",
            "2:3 loss is set already, at line 1 -> add it to the list at line 1, or write each",
        ),
        (HEAD + "lr = 0.1\n  lr = 0.2\n", "7:3 optimizer.lr is set already, at line 6 -> remove one of them, or try"),
        ("title = 'a'\ntitle = 'b'\n", "2:1 title is set already, at line 1 -> remove one of them"),
        ("a = { x = 1, x = 2 }\n", "1:14 a.x is set already, at line 1 -> remove one of them"),
    ],
)
def test_what_is_written_twice_is_told_with_the_line_of_the_first(text: str, words: str) -> None:
    assert complaint(text).startswith(words)


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("True", "true and false have small letters: true"),
        ("FALSE", "true and false have small letters: false"),
        ("yes", "write true"),
        ("None", "TOML has no None: leave the setting out"),
        ("null", "TOML has no null: leave the setting out"),
        ("~", "TOML has no ~: leave the setting out"),
        ("NaN", "no setting takes NaN: leave it out"),
        ("-Infinity", "no setting takes -Infinity: leave it out"),
        ("MSELoss", 'a string needs quotes: "MSELoss"'),
        ("two words", 'a string needs quotes: "two words"'),
        ("\u201cSGD\u201d", 'a string has straight quotes: "SGD"'),
        ("\u2018SGD\u2019", 'a string has straight quotes: "SGD"'),
        (r'r"C:\x"', r"what stands in single quotes is taken as it is: 'C:\x'"),
        (".5", "write 0.5"),
        ("-.5", "write -0.5"),
        ("5.", "write 5.0"),
        ("1e-3.", "write 1e-3"),
        ("007", "write 7"),
        ("1e\u22123", "write 1e-3"),
        ("1e-3f", "write 1e-3"),
        ("10%", "a share is a number: 0.1"),
        ("64k", "a number has digits only: 64_000"),
        ("10 000", "digits may be parted by underscores: 10_000"),
        ("1/4", "TOML does not calculate: write the result: 0.25"),
        ("10**-3", "TOML does not calculate: write the result: 0.001"),
        ("0,5", "a decimal number has a point, 0.5"),
        ("0.1, 0.2", "several values are a sweep: { grid = [0.1, 0.2] }"),
        ("0.1:0.5:0.1", "this is a sweep: { range = [0.1, 0.5, 0.1] }"),
        ("(0.9, 0.999)", "a list has square brackets: [0.9, 0.999]"),
        ("choice(0.1, 0.2)", "these values are a sweep: { grid = [0.1, 0.2] }"),
        ("tune.loguniform(1e-4, 1e-1)", "this is a sweep: { loguniform = [1e-4, 1e-1], samples = 5 }"),
        ("np.logspace(-3, 0, 4)", "this is a sweep: { logspace = [1e-3, 1e0], num = 4 }"),
        ("${run.steps}", 'a reference is a string: "${run.steps}"'),
        ("$LR", "a spec reads no environment variables"),
        ("@lr.txt", "no value is read from a file"),
    ],
)
def test_a_value_of_another_language_is_told_as_toml_writes_it(value: str, fix: str) -> None:
    said = complaint(f"{HEAD}x = {value}  # a comment\n")
    assert said.startswith("6:5 invalid TOML: ")
    assert fix in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x =", "1:4 invalid TOML: there is no value behind = -> write one, or leave the line out"),
        ("x", "1:2 invalid TOML: x has no value -> write x = ..."),
        ("x 0.1", "1:3 invalid TOML: x has no value -> write x = 0.1"),
        ("x == 1", "1:4 invalid TOML: one = stands between key and value"),
        ("x: 0.1", "1:2 invalid TOML: : stands for = -> write x = 0.1"),
        ("x: adam", '1:2 invalid TOML: : stands for = -> write x = "adam"'),
        ("optimizer:\n  lr: 1", "1:10 invalid TOML: this looks like YAML -> a section is written [optimizer]"),
        ('x = { "grid": [1] }', '1:13 invalid TOML: : stands for = -> write "grid" = [1]'),
        ("- 1", "1:3 invalid TOML: this looks like YAML -> a list is written [1, 2]"),
        ("learning rate = 1", "1:10 invalid TOML: a key has no spaces -> write learning_rate = 1"),
        ("größe = 1", "1:3 invalid TOML: this is not a key -> other keys than letters a to z, digits, - and _ need q"),
        ("x = { *bias = 1 }", "1:7 invalid TOML: this is not a key -> other keys than letters, digits, - and _ need"),
        ("; a", "1:1 invalid TOML: this is not a key -> a comment begins with #"),
        ("x = 1 // a", "1:7 invalid TOML: this is not a comment -> a comment begins with #"),
        ("x = 1;", "1:6 invalid TOML: a line ends without ; -> remove the ;"),
        ("x = 1,", "1:6 invalid TOML: a line ends without , -> remove the ,"),
        ("x = 1, y = 2", "1:6 invalid TOML: there are two settings on one line -> write y on a line of its own"),
        ("x = [1 2]", "1:8 invalid TOML: a comma is missing"),
        ("x = [\n  { y = 1 }\n  { y = 2 }\n]", "3:3 invalid TOML: a comma is missing"),
        ("x = { y = [1] z = 1 }", "1:15 invalid TOML: a comma is missing"),
        ("x = [1, 2\ny = 1", "1:5 invalid TOML: the list that begins at line 1 is not closed -> write ] at its end"),
        ("x = [1,\n2", "1:5 invalid TOML: the list that begins at line 1 is not closed"),
        ("x = { y = [1] \n[a]", "1:5 invalid TOML: the table in braces that begins at line 1 is not closed"),
        ("x = { grid = 0.1, 0.2 }", "1:19 invalid TOML: there is no key in front of this value -> write { grid = [0.1"),
        ("x = [mae]", '1:6 invalid TOML: mae is not a value -> a string needs quotes: "mae"'),
        ('x = "a', '1:5 invalid TOML: this string is not closed -> write " at its end'),
        ("x = 'a\ny = 1", "1:5 invalid TOML: this string is not closed -> write ' at its end"),
        ("x = '''a\n", "1:5 invalid TOML: this string is not closed -> write ''' at its end"),
        (
            r'x = "C:\new\data"',
            r"1:12 invalid TOML: this backslash begins no escape -> in double quotes a backslash beg",
        ),
        (r'x = "a\Users"', r"1:7 invalid TOML: this backslash begins no escape"),
        (r'x = "\d+"', r"1:6 invalid TOML: this backslash begins no escape"),
        ("[run", "1:5 invalid TOML: ] is missing -> write [run]"),
        ("[[loss]", "1:7 invalid TOML: ]] is missing -> write [[loss]]"),
        ("[my loss]", "1:5 invalid TOML: a name has no spaces -> write [my_loss]"),
        ("[run] steps = 1", "1:7 invalid TOML: a section stands on a line of its own"),
        ("x =\u00a01", "1:4 invalid TOML: there is a no-break space (U+00A0) -> write a plain space in its place"),
        ("x = \u200b1", "1:5 invalid TOML: there is a zero width space (U+200B) -> remove it"),
        ("x = \u22121", "1:5 invalid TOML: there is a minus sign (U+2212) -> write - in its place"),
        ('{"x": 1}', "1:1 is JSON, not TOML"),
        ("<<<<<<< HEAD\nx = 1", "1:1 has a merge conflict"),
    ],
)
def test_a_slip_is_told_with_its_place_and_cure(text: str, words: str) -> None:
    assert complaint(text).startswith(words)


def test_what_nobody_foresaw_keeps_the_words_of_the_library() -> None:
    assert complaint("x = *") == "1:5 invalid TOML: invalid value -> "


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_another_encoding_is_told(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes('title = "Größe"\n'.encode(coding))
    with pytest.raises(SpecError, match="save it as UTF-8"):
        read_document(path)


def test_a_cure_can_be_written_in_the_place_of_the_mistake() -> None:
    for value in ("True", ".5", "0.1, 0.2", "0.1:0.5:0.1", "(1, 2)", "choice(a, b)", "1/4", "10%", "SGD"):
        said = complaint(f"x = {value}\n")
        fix = re.split(r": |write ", said.partition(" -> ")[2])[-1]
        assert read_text(f"x = {fix}\n", "s.toml").data["x"] is not None
