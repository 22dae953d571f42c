"""A CSV file becomes a table, or an error says which cell is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from xprun.plugins.datasets.csv_file import CsvError, csv
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload.data_split import Split, filled_in
from xprun.specs import SpecError, read_document, read_spec

HOUSES = "rooms,area,price,town\n3,70.5,210,Ulm\n4, 1e2,330,Aalen\n2,50,140,Ulm\n"


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    path.write_text(HOUSES, encoding="utf-8")
    return path


def test_a_column_of_numbers_is_a_regression(houses: Path) -> None:
    table = csv(file=str(houses), target="price", leave_out=["town"])
    assert table.inputs.tolist() == [[3, 70.5], [4, 100], [2, 50]]
    assert table.targets.tolist() == [[210], [330], [140]]
    assert table.inputs.dtype == table.targets.dtype == torch.float64


def test_a_column_of_text_holds_classes_and_one_of_numbers_does_when_told(houses: Path) -> None:
    towns = csv(file=str(houses), target="town")
    assert towns.targets.tolist() == [1, 0, 1]
    assert towns.inputs.shape == (3, 3)
    rooms = csv(file=str(houses), target="rooms", classes=True, columns=["price", "area"])
    assert rooms.targets.tolist() == [1, 2, 0]
    assert rooms.targets.dtype == torch.int64
    assert rooms.inputs[0].tolist() == [210, 70.5]


def test_another_delimiter_a_byte_order_mark_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeff"a; b";y\r\n1;2\r\n\r\n'.encode())
    assert csv(file=str(path), target="y", delimiter=";").inputs.tolist() == [[1]]


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (("", ""), {"target": "prize"}, "houses.csv has no column 'prize'; did you mean 'price'?"),
        (("", ""), {"target": "price", "columns": ["towm"]}, "no column 'towm'; did you mean 'town'?"),
        (
            ("", ""),
            {"target": "price", "leave_out": ["street"]},
            "no column 'street' (it has rooms, area,",
        ),
        (("", ""), {"target": "price"}, "row 1, column 'town': 'Ulm' is not a number"),
        (("", ""), {"target": "price", "columns": ["price"]}, "would predict itself"),
        (("", ""), {"target": "price", "columns": []}, "no columns are left"),
        (("", ""), {"target": "town", "classes": False}, "row 1, column 'town': 'Ulm' is not a number"),
        (("1e2", "n/a"), {"target": "town"}, "houses.csv: row 2, column 'area': 'n/a' is not a number"),
        (("1e2", "nan"), {"target": "town"}, "row 2, column 'area': 'nan' is not a number"),
        (("1e2", ""), {"target": "town"}, "row 2, column 'area': the cell is empty"),
        (("Aalen", ""), {"target": "town"}, "row 2, column 'town': the cell is empty"),
        (("140,Ulm", "140"), {"target": "town"}, "row 3 has 3 cells, and the header names 4 columns"),
        (("rooms", "area"), {"target": "town"}, "two columns are named 'area'"),
        ((HOUSES, "a,b\n"), {"target": "a"}, "no rows below its header"),
        ((HOUSES, ""), {"target": "a"}, "houses.csv is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    houses: Path, change: tuple[str, str], settings: dict[str, Any], message: str
) -> None:
    houses.write_text(HOUSES.replace(*change) if change[0] else HOUSES, encoding="utf-8")
    with pytest.raises(CsvError) as error:
        csv(file=str(houses), **settings)
    assert message in str(error.value)


def test_a_file_in_another_encoding(houses: Path) -> None:
    houses.write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(CsvError, match=r"houses\.csv is not UTF-8 \(byte 3\); save it as UTF-8"):
        csv(file=str(houses), target="y")


def test_a_missing_column_is_found_before_anything_runs(houses: Path, line_spec: str) -> None:
    wrong = 'name = "csv"\nfile = "houses.csv"\ntarget = "prize"\nleave_out = ["town", "street"]'
    path = houses.parent / "spec.toml"
    path.write_text(line_spec.replace('name = "line"\nsamples = 20', wrong), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        resolve(read_spec(read_document(path)), REGISTRY)
    assert "spec.toml:5:10: data.target: houses.csv has no column 'prize'; did you mean 'price'?" in str(error.value)
    assert "spec.toml:6:13: data.leave_out: houses.csv has no column 'street'" in str(error.value)
    houses.write_bytes("größe\n".encode("latin-1"))
    with pytest.raises(SpecError, match=r"data\.file: houses\.csv is not UTF-8"):
        resolve(read_spec(read_document(path)), REGISTRY)


# --- text, and cells without a value

PEOPLE = "age,town,income,happy\n31,Ulm,20,yes\n,Bonn,n/a,no\n45,Ulm,30,yes\n52,NA,40,no\n"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE, encoding="utf-8")
    return path


def test_categories_become_a_column_for_each_value(houses: Path) -> None:
    table = csv(file=str(houses), target="price", columns=["rooms", "town"], categories=["town"])
    assert table.inputs.tolist() == [[3, 0, 1], [4, 1, 0], [2, 0, 1]]
    table = csv(file=str(houses), target="price", columns=["rooms"], categories=["rooms"])
    assert table.inputs.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_classes_keep_their_names(houses: Path, people: Path) -> None:
    assert csv(file=str(houses), target="town").class_names == ("Aalen", "Ulm")
    assert csv(file=str(houses), target="rooms", classes=True, leave_out=["town"]).class_names == ("2", "3", "4")
    assert csv(file=str(people), target="town", columns=["happy"], categories=["happy"]).class_names[1] == "NA"


def test_rows_that_lack_something_are_left_out_on_request(people: Path) -> None:
    table = csv(file=str(people), target="happy", categories=["town"], missing="drop")
    assert table.inputs.tolist() == [[31, 1, 20], [45, 1, 30]]
    assert table.targets.tolist() == [0, 0]
    only = csv(file=str(people), target="happy", columns=["income"], missing="drop")
    assert only.inputs.tolist() == [[20], [30], [40]]


@pytest.mark.parametrize(
    ("how", "age", "income"), [("mean", 42.666666666666664, 30), ("median", 45, 30), ("most_frequent", 31, 20)]
)
def test_numbers_are_filled_in_from_the_training_rows(people: Path, how: Any, age: float, income: float) -> None:
    table = csv(file=str(people), target="happy", columns=["age", "income"], missing=how)
    assert table.inputs.isnan().sum() == 2
    inputs = filled_in(Split(table)).train.one_tensor
    assert inputs[1].tolist() == pytest.approx([age, income])
    held_out = replace(table, inputs=torch.full((1, 2), torch.nan, dtype=torch.float64), targets=table.targets[:1])
    split = filled_in(Split(table, held_out, held_out))
    assert split.valid is not None and split.test is not None
    assert split.valid.one_tensor.tolist()[0] == split.test.one_tensor.tolist()[0] == pytest.approx([age, income])


def test_a_category_that_is_missing_is_one_of_its_own_where_numbers_are_filled_in(people: Path) -> None:
    table = csv(file=str(people), target="happy", columns=["town"], categories=["town"], missing="median")
    assert table.inputs.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_nothing_is_filled_in_where_no_training_row_tells(people: Path) -> None:
    table = csv(file=str(people), target="happy", columns=["income"], missing="mean")
    with pytest.raises(ValueError, match="nothing is known of column 1 of the inputs"):
        filled_in(Split(replace(table, inputs=table.one_tensor * torch.nan)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"target": "income", "columns": ["age"]},
            "row 2, column 'income': 'n/a' is not a number; leave such rows out",
        ),
        ({"target": "income", "columns": ["age"], "missing": "mean"}, "row 2, column 'income': 'n/a' is not a number"),
        ({"target": "happy", "categories": ["happy"]}, "the target 'happy' is one of data.categories"),
        ({"target": "happy", "columns": ["age"], "categories": ["town"]}, "data.categories has 'town', which is none"),
        ({"target": "happy", "columns": ["town"]}, "list the column in data.categories"),
    ],
)
def test_what_is_missing_or_no_number(people: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CsvError) as error:
        csv(file=str(people), **settings)
    assert message in str(error.value)


@pytest.mark.parametrize("odd", ["unknown", "12 000", "cheap"])
def test_one_word_in_a_column_of_numbers_makes_no_classes_of_them(houses: Path, odd: str) -> None:
    houses.write_text(HOUSES.replace("210", odd), encoding="utf-8")
    with pytest.raises(CsvError, match=f"row 1, column 'price': '{odd}' is not a number; .*classes = true"):
        csv(file=str(houses), target="price", leave_out=["town"])
    assert len(csv(file=str(houses), target="price", leave_out=["town"], classes=True).class_names) == 3


def test_check_tells_all_cells_of_a_file_at_once(people: Path, line_spec: str) -> None:
    wrong = 'name = "csv"\nfile = "people.csv"\ntarget = "income"'
    path = people.parent / "spec.toml"
    path.write_text(line_spec.replace('name = "line"\nsamples = 20', wrong), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        resolve(read_spec(read_document(path)), REGISTRY)
    told = str(error.value)
    assert told.count("spec.toml:4:8: data.file: people.csv: row ") == 5
    for place in (
        "row 2, column 'age': the cell is empty",
        "row 4, column 'town': 'NA'",
        "row 2, column 'income': 'n/a'",
    ):
        assert place in told
    many = ",".join(f"c{i}" for i in range(50))
    people.write_text(f"{many},income\n" + "x," * 50 + "1\n", encoding="utf-8")
    with pytest.raises(SpecError) as error:
        resolve(read_spec(read_document(path)), REGISTRY)
    assert "and 30 more cells that cannot be read" in str(error.value)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["x", "y", "z", "1"], ["row 1, column 'age': 'x' is not a number, like 2 more cells of this column; put a"]),
        (
            ["x", "1", "z"],
            ["row 1, column 'age': 'x' is not a number; put", "row 3, column 'age': 'z' is not a number; "],
        ),
        (
            ["", "", "x", ""],
            ["row 1, column 'age': the cell is empty, like 2 more", "row 3, column 'age': 'x' is not a"],
        ),
    ],
)
def test_many_cells_of_a_column_that_want_one_cure_are_one_problem(
    tmp_path: Path, line_spec: str, cells: list[str], told: list[str]
) -> None:
    (tmp_path / "p.csv").write_text("age,income\n" + "".join(f"{cell},1\n" for cell in cells), encoding="utf-8")
    path = tmp_path / "spec.toml"
    wrong = 'name = "csv"\nfile = "p.csv"\ntarget = "income"'
    path.write_text(line_spec.replace('name = "line"\nsamples = 20', wrong), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        resolve(read_spec(read_document(path)), REGISTRY)
    found = [line for line in str(error.value).splitlines() if "p.csv: row" in line]
    assert len(found) == len(told)
    assert all(part in line for part, line in zip(told, found, strict=True))


# --- files that swallow rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('x,y\n1,2\n2,"3\n4,5\n', "line 3: a cell begins with a quote .* the file ends in it"),
        ('x,town\n1,Ulm\n2,"Bonn\n4,Ulm\n', "line 3: a cell begins with a quote .* the file ends in it"),
        ('"x,y\n1,2\n', "line 1: a cell begins with a quote .* the file ends in it"),
        ('x,note,y\n1,a,5\n2,"b,6\n3,c,7\n4,",8\n', "line 3: a cell begins with a quote .* it ends in line 5"),
        ('x,note,y\n1,a,5\n2,"b,6\n3,"c,7\n', "line 3: text follows the closing quote"),
        ("x,town\n1,Ulm\n2,Bo\0nn\n", "line 3 has a NUL byte"),
        ("x,note,y\n1,\0,3\n", "line 2 has a NUL byte"),
    ],
)
def test_no_row_is_swallowed_without_a_word(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    target = "town" if "town" in text else "y"
    with pytest.raises(CsvError, match=message):
        csv(file=str(path), target=target, leave_out=["note"] if "note" in text else [])


@pytest.mark.parametrize("note", ['"first line\nsecond line"', '"well, so\nbe, it\n"', '5" wide', '"a ""b"" c"'])
def test_a_note_may_have_quotes_and_several_lines(tmp_path: Path, note: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"x,note,y\n1,{note},2\n3,b,4\n", encoding="utf-8")
    assert csv(file=str(path), target="y", leave_out=["note"]).targets.tolist() == [[2], [4]]


@pytest.mark.parametrize("odd", ["n/a", "NA", "?"])
def test_a_word_for_nothing_among_numbers_is_no_class(houses: Path, odd: str) -> None:
    houses.write_text(HOUSES.replace("210", odd), encoding="utf-8")
    with pytest.raises(CsvError, match=r"row 1, column 'price': .* is not a number; leave such rows out"):
        csv(file=str(houses), target="price", leave_out=["town"], classes=True)
    with pytest.raises(CsvError, match=r"row 1, column 'price': .* is not a number; leave such rows out"):
        csv(file=str(houses), target="rooms", columns=["price"], categories=["price"])


@pytest.mark.parametrize("other", ["U\u200blm", "Ulm\u00a0!", "Ul\u043c", "U\u00adlm"])
def test_values_and_columns_that_look_alike_are_told(houses: Path, other: str) -> None:
    plain = "Ulm !" if "!" in other else "Ulm" if "\u043c" not in other else "Ul\u043c\u200b"
    houses.write_text(HOUSES.replace("210,Ulm", f"210,{plain}").replace("140,Ulm", f"140,{other}"), encoding="utf-8")
    told = r"row 3, column 'town': 'U.* looks like 'U.*, and is another value; write both alike"
    with pytest.raises(CsvError, match=told):
        csv(file=str(houses), target="town")
    with pytest.raises(CsvError, match=told):
        csv(file=str(houses), target="price", categories=["town"])
    houses.write_text(HOUSES.replace("rooms,area", f"{plain},{other}"), encoding="utf-8")
    with pytest.raises(CsvError, match=r"the name of the column 'U.* looks like 'U"):
        csv(file=str(houses), target="price", leave_out=["town"])


def test_a_column_that_is_listed_twice_is_told(houses: Path) -> None:
    with pytest.raises(CsvError, match="'area' is listed twice, so it would be two inputs"):
        csv(file=str(houses), target="price", columns=["area", "rooms", "area"])
