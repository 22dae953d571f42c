"""Tables come back as they were written, and what is missing is named."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import Case
from xprun.reports import ReportError
from xprun.reports.data.results_folder import _read_csv, read_tables, text_columns

Make = Callable[..., Path]


def test_labels_and_ids_stay_text(make_folder: Make) -> None:
    tables = read_tables(make_folder([Case("NA", 0.1, [0.9]), Case("null", 0.1, [0.8])]))
    assert list(tables.runs["optimizer"]) == ["NA", "null"]
    assert list(tables.runs["run"]) == ["000000000000", "000000000001"]
    assert list(tables.history["run"].cat.categories) == ["000000000000", "000000000001"]


def test_texts_that_were_kept_from_being_formulas_are_as_they_were(make_folder: Make) -> None:
    names = {"'=1+1": "=1+1", "''=1": "'=1", "'-x": "-x", "'plain'": "'plain'"}
    tables = read_tables(make_folder([Case(written, 0.1, [0.9]) for written in names]))
    assert list(tables.runs["optimizer"]) == list(names.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_numbers_are_those_that_were_written_to_the_last_bit(seed: int, make_folder: Make) -> None:
    values = np.random.default_rng(seed).random(50).tolist()
    tables = read_tables(make_folder([Case("SGD", 0.1, values)]))
    assert tables.runs["final.valid.accuracy"].tolist() == values


def test_columns_of_texts_are_known_by_any_pandas() -> None:
    table = pd.read_csv(StringIO("text,number,flag\na,1.5,True\n"), dtype={"text": "str"})
    table["old text"] = pd.Series(["a"], dtype=object)
    table["either"] = pd.Series([1], dtype=object)
    assert text_columns(table) == ["text", "old text", "either"]


def test_what_a_column_is_does_not_depend_on_where_its_first_text_stands(tmp_path: Path) -> None:
    """Else one of numbers in the first thousands of rows would have both, and pandas warn of it."""
    columns = ["more", *(f"c{i}" for i in range(100))]  # of so many pandas reads 8,192 rows at once
    rows = [",".join([more, *"0" * 100]) for more in [*map(str, range(10_000)), "text"]]
    (path := tmp_path / "results.csv").write_text("\n".join([",".join(columns), *rows]), encoding="utf-8")
    assert set(map(type, _read_csv(path, {}, {})["more"])) == {str}


def test_a_diverged_run_has_no_final_value(make_folder: Make) -> None:
    tables = read_tables(make_folder([Case("SGD", 1.0, [0.9, None])]))
    assert tables.runs["final.valid.accuracy"].isna().tolist() == [False, True]
    assert tables.runs["reason"].tolist() == ["", "loss is nan"]
    assert tables.history["value"].isna().sum() == 1


def test_columns_have_roles(make_folder: Make) -> None:
    schema = read_tables(make_folder([Case("SGD", 0.1, [0.9], {"param.w": 2.0})])).schema
    assert schema.names("section") == ["data", "model", "loss", "optimizer"]
    assert schema.names("setting") == ["optimizer.lr", "data.batch_size"]
    assert schema.compared_metrics == ["loss", "valid.accuracy"]
    assert schema.names("parameter") == ["param.w"]


def test_a_table_of_many_columns_can_be_added_to(make_folder: Make) -> None:
    wide = {f"param.w[{i}]": float(i) for i in range(150)}
    tables = read_tables(make_folder([Case("SGD", 0.1, [0.9], wide)]))
    assert tables.runs.assign(more=1)["param.w[149]"].tolist() == [149.0]  # a warning of pandas would be an error


@pytest.mark.parametrize(("file", "column"), [("results.csv", "status"), ("history.csv", "epoch")])
def test_a_missing_column_is_named(make_folder: Make, file: str, column: str) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    pd.read_csv(folder / file).drop(columns=column).to_csv(folder / file, index=False)
    with pytest.raises(ReportError, match=f"{file}: no column '{column}'"):
        read_tables(folder)


@pytest.mark.parametrize("file", ["results.csv", "history.csv"])
def test_a_missing_table_is_named(make_folder: Make, file: str) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    (folder / file).unlink()
    with pytest.raises(ReportError, match=f"{file}: no such file"):
        read_tables(folder)


def test_a_table_without_runs_is_no_report(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    header = (folder / "results.csv").read_text(encoding="utf-8").splitlines()[0]
    (folder / "results.csv").write_text(header + "\n", encoding="utf-8")
    with pytest.raises(ReportError, match="no runs yet"):
        read_tables(folder)


def test_an_empty_file_is_named(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    (folder / "history.csv").write_text("", encoding="utf-8")
    with pytest.raises(ReportError, match=r"history\.csv"):
        read_tables(folder)


def test_the_same_run_twice_is_an_error(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    lines = (folder / "results.csv").read_text(encoding="utf-8").splitlines()
    (folder / "results.csv").write_text("\n".join([*lines, lines[-1]]), encoding="utf-8")
    with pytest.raises(ReportError, match="'000000000000' is there twice"):
        read_tables(folder)


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("[]", "an object is expected, not list")])
def test_a_damaged_json_file_is_named(make_folder: Make, text: str, message: str) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    (folder / "resolved.json").write_text(text, encoding="utf-8")
    with pytest.raises(ReportError, match=rf"resolved\.json: {message}"):
        read_tables(folder)
