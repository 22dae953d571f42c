"""docs/tables.md says of every column what the schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from xprun.runner.results.results_schema import TABLES, Table, read_schema

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def markdown_of(table: Table) -> str:
    """The columns of a table as the page has them."""
    rows = [f"| `{column.name}` | {column.type} | {column.meaning} |" for column in table.columns]
    return "\n".join(["| column | type | meaning |", "|---|---|---|", *rows])


def section(file: str) -> str:
    found = re.search(rf"^## {re.escape(file)}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/tables.md has no section '## {file}'"
    return found[0]


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_every_column_of_a_table(name: str) -> None:
    assert markdown_of(TABLES[name]) in section(TABLES[name].file)


def test_the_example_is_a_schema() -> None:
    found = re.search(r"```json\n(.*?)```", section("tables.json"), re.DOTALL)
    assert found
    schema = read_schema(json.loads(found[1]))
    assert schema.comparison.by == ["optimizer"]
    assert schema.names("setting") == ["optimizer.lr"]
