"""A column of text is no quantity, and one of numbers names no classes unless the spec says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main

SPEC = """
[data]
name = "csv"
file = "d.csv"
target = "y"
{more}
[model]
name = "{model}"
[loss]
name = "{loss}"
[optimizer]
name = "SGD"
lr = 0.1
[run]
epochs = 1
"""


@pytest.fixture
def check(tmp_path: Path, write: Callable[[str], Path]) -> Callable[..., tuple[int, str]]:
    def checked(cells: str, loss: str, model: str = "softmax", more: str = "") -> tuple[int, str]:
        rows = "".join(f"{i},{cell}\n" for i, cell in enumerate(cells.split("|")))
        (tmp_path / "d.csv").write_text(f"x,y\n{rows}", encoding="utf-8")
        result = CliRunner().invoke(main, ["check", str(write(SPEC.format(loss=loss, model=model, more=more)))])
        return result.exit_code, result.output

    return checked


@pytest.mark.parametrize("cells", ['"1,000.50"|"1,001.50"|"1,002.50"', "low|high|low", "12 kg|13 kg|14 kg"])
@pytest.mark.parametrize("loss", ["MSELoss", "HuberLoss", "squared"])
def test_text_is_no_quantity(check: Callable[..., tuple[int, str]], cells: str, loss: str) -> None:
    code, output = check(cells, loss, "linear")
    assert code == 2
    assert f"spec.toml:5:10: data.target: {loss} compares numbers, but row 1, column 'y' is text" in output


@pytest.mark.parametrize("cells", ["0|1|1", "0.5|1.5|0.5", "3|7|9"])
@pytest.mark.parametrize("loss", ["CrossEntropyLoss", "MultiMarginLoss"])
def test_numbers_are_no_classes(check: Callable[..., tuple[int, str]], cells: str, loss: str) -> None:
    code, output = check(cells, loss)
    assert code == 2
    assert f"spec.toml:5:10: data.target: {loss} compares classes, but a column of numbers is a quantity" in output
    assert "classes = true" in output
    assert check(cells, loss, more="classes = true")[0] == 0


@pytest.mark.parametrize("cells", ["low|high|mid", "1|2|3|n.a.", "12 kg|13 kg|14 kg"])
def test_the_numbers_of_several_classes_are_no_quantity(check: Callable[..., tuple[int, str]], cells: str) -> None:
    code, output = check(cells, "MSELoss", "linear", "classes = true")
    assert code == 2
    assert "spec.toml:5:10: data.target: MSELoss would compare the numbers of" in output
    assert check("yes|no|yes", "MSELoss", "linear", "classes = true")[0] == 0


@pytest.mark.parametrize(("cells", "loss", "model"), [("0.5|1.5", "MSELoss", "linear"), ("a|b", "NLLLoss", "softmax")])
def test_what_fits_is_no_problem(check: Callable[..., tuple[int, str]], cells: str, loss: str, model: str) -> None:
    assert check(cells, loss, model)[0] == 0


def test_commas_in_numbers_and_other_delimiters_are_named(
    check: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    assert "write numbers with a point, and without commas between thousands" in check('1|"1,5"|2', "MSELoss")[1]
    _, output = check("1|2", "MSELoss", more='delimiter = ";"')
    assert 'write data.delimiter = \\",\\"' in output or 'write data.delimiter = ","' in output


def test_an_index_without_a_name_is_no_input(tmp_path: Path, write: Callable[[str], Path]) -> None:
    (tmp_path / "d.csv").write_text(",x,y\n0,1,2\n1,2,3\n", encoding="utf-8")
    spec = SPEC.format(loss="MSELoss", model="linear", more="{more}")
    wrong = CliRunner().invoke(main, ["check", str(write(spec.replace("{more}", "")))])
    assert wrong.exit_code == 2
    assert (
        'd.csv: column 1 has no name; an index, as pandas writes one, is no input: data.leave_out = [""]'
        in wrong.output
    )
    right = CliRunner().invoke(main, ["check", str(write(spec.replace("{more}", 'leave_out = [""]')))])
    assert right.exit_code == 0, right.output
