"""A CSV file becomes a table, or an error says which cell is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from xprun.plugins.datasets.csv_file import CsvError, csv
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
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
