"""Tables as CSV: what pandas would write, byte for byte, and no formula to a spreadsheet."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from xprun.runner.outputs import csv_files
from xprun.runner.outputs.csv_files import write_csv

COLUMNS: dict[str, list[Any]] = {
    "floats": [0.1, -0.0, 1e-5, 1e16, 123456789.123, float("nan"), float("inf"), float("-inf"), 5e-324, 1 / 3],
    "integers": [0, -1, 2**62, 3, 4, 5, 6, 7, 8, 9],
    "booleans": [True, False] * 5,
    "texts": ["plain", "a,b", 'say "so"', "", "Größe ✓", "007", "nan", "None", " blank ", "1e3"],
    "some texts": ["x", None, "y", float("nan"), "z", "x", "x", None, "x", "x"],
    "mixed": [1, 1.0, True, "1", 0.1, None, float("nan"), "a,b", 10**20, 1e300],
}


@pytest.mark.parametrize("rows_at_once", [3, 100])
def test_it_is_what_pandas_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    monkeypatch.setattr(csv_files, "AT_ONCE", rows_at_once)
    table = pd.DataFrame(COLUMNS)
    table["mixed"] = pd.Series(COLUMNS["mixed"], dtype="object")
    table["numpy's"] = np.arange(10, dtype="float64").astype("object")
    table['a "name", quoted'] = 1
    write_csv(table, tmp_path / "ours.csv")
    table.to_csv(tmp_path / "pandas.csv", index=False, lineterminator="\n")
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "pandas.csv").read_bytes()


def test_a_table_without_rows_has_its_head() -> None:
    file = StringIO()
    write_csv(pd.DataFrame(columns=["run", "a,b"]), file)
    assert file.getvalue() == 'run,"a,b"\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "'=1", "''+1"])
def test_a_text_is_no_formula(text: str) -> None:
    file = StringIO()
    write_csv(pd.DataFrame({"label": [text, "SGD"], "run": [text, "b"]}), file)
    assert file.getvalue() == f"label,run\n'{text},{text}\nSGD,b\n"
