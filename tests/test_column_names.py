"""Every column, status and stage of the results is named in the schema alone: nobody else spells one out, or guesses.

What is a name of the schema depends on where it stands, since most of them are ordinary words (`run`, `loss`, `step`).
The rule takes a text in the source for a name of the schema:

- anywhere, where it begins with what a measured column begins with: `"final.loss"`, `f"best.{metric}"`;
- anywhere, where a status or stage is compared: `status == "done"`, `stage in ("search", "confirm")`;
- in a module that handles tables (it imports pandas, or belongs to the reports): where a column is compared,
  `"steps" in frame`; where it is a key, `runs["seed"]`, `rows[["run", "value"]]`; where a method of tables is told it,
  `runs.groupby("run")`, `table.assign(value=1)`; and where a table is made, `pd.DataFrame({"run": ids})`.

In templates no expression may have one in quotes, in scripts none may be a key, and no status stands in quotes at all.
`x` and `y` are left out: they are the axes of every plot.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from xprun.runner.results.results_schema import ENDED_WELL, STAGES, STATUSES, TABLES
from xprun.specs.language.result_words import MEASURED

ROOT = Path(__file__).parent.parent
# The schema, the words of it that claims are written in, and the one reader of folders that have no schema.
SCHEMA = ("runner/results/results_schema.py", "specs/language/result_words.py")
PACKAGES = [name for name in ("api", "specs", "plugins", "runner", "reports") if (ROOT / name).is_dir()]
COLUMNS = {name for table in TABLES.values() for name in table.fixed if len(name) > 1}
STATES = {*STATUSES, *STAGES}
TABLE_METHODS = {
    "agg", "assign", "astype", "drop", "drop_duplicates", "dropna", "eq", "filter", "get", "groupby", "insert", "join",
    "melt", "merge", "pivot", "pivot_table", "reindex", "rename", "set_index", "sort_values",
}  # fmt: skip
Found = tuple[int, str]


def spelt_out(source: str, *, of_tables: bool = False) -> list[Found]:
    """Return the names of the schema that stand in a module, with their lines."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    of_tables = of_tables or any(alias.name == "pandas" for node in imports for alias in node.names)
    found = [one for node in ast.walk(tree) if id(node) not in docs for one in _anywhere(node)]
    if of_tables:
        found += [one for node in ast.walk(tree) for one in _in_tables(node)]
    return sorted(set(found))


def _anywhere(node: ast.AST) -> Iterator[Found]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(MEASURED):
        yield node.lineno, node.value
    elif isinstance(node, ast.Compare):
        yield from _texts([node.left, *node.comparators], STATES)
    elif isinstance(node, ast.MatchValue):
        yield from _texts([node.value], STATES)


def _in_tables(node: ast.AST) -> Iterator[Found]:
    if isinstance(node, ast.Subscript):
        yield from _texts([node.slice], COLUMNS | STATES)
    elif isinstance(node, ast.Compare):
        yield from _texts([node.left, *node.comparators], COLUMNS)
    elif isinstance(node, ast.Call):
        told = [*node.args, *(keyword.value for keyword in node.keywords)]
        names = {keyword.arg for keyword in node.keywords} & COLUMNS
        if isinstance(node.func, ast.Attribute) and node.func.attr in TABLE_METHODS:
            yield from _texts(told, COLUMNS)
            yield from ((node.lineno, name) for name in names if name and node.func.attr in ("agg", "assign"))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in ("DataFrame", "Series"):
            yield from _texts(told, COLUMNS)
        yield from _texts([k.value for k in node.keywords if k.arg in ("columns", "subset", "by")], COLUMNS)


def _texts(nodes: list[ast.expr], names: set[str]) -> Iterator[Found]:
    """Yield the texts among some nodes, in lists, tuples and sets of them, and in the keys of dictionaries."""
    for node in nodes:
        if isinstance(node, ast.Constant) and node.value in names:
            yield node.lineno, str(node.value)
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield from _texts(node.elts, names)
        elif isinstance(node, ast.Dict):
            yield from _texts([*filter(None, node.keys), *node.values], names)


def quoted_names(text: str, suffix: str) -> list[str]:
    """Return the names of the schema that stand in quotes in a template or a script."""
    expressions = " ".join(re.findall(r"{[{%].*?[}%]}", text, re.DOTALL)) if suffix == ".j2" else text
    quoted = [match[2] for match in re.finditer(r"""(["'`])([\w.]+)\1""", expressions)]
    keys = [match[2] for match in re.finditer(r"""\[(["'`])([\w.]+)\1\]""", text)]
    columns = quoted if suffix == ".j2" else keys
    return [word for word in quoted if word in STATUSES or word.startswith(MEASURED)] + [
        word for word in columns if word in COLUMNS
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_spells_out_a_name_of_the_schema(package: str) -> None:
    found = []
    for file in sorted((ROOT / package).rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        if name not in SCHEMA:
            spelt = spelt_out(file.read_text(encoding="utf-8"), of_tables=package == "reports")
            found += [f"{name}:{line}: {text}" for line, text in spelt]
    assert found == []


def test_no_template_spells_out_a_name_of_the_schema() -> None:
    files = [file for file in sorted((ROOT / "reports" / "templates").rglob("*")) if file.suffix in (".j2", ".js")]
    assert len(files) > 10
    found = {
        file.name: names for file in files if (names := quoted_names(file.read_text(encoding="utf-8"), file.suffix))
    }
    assert found == {}


@pytest.mark.parametrize(
    "planted",
    [
        'metric = "final.loss"',
        'metric = f"best.{name}"',
        'names = [n for n in frame if n.startswith("param.")]',
        'held = status == "done"',
        'held = status in ("done", "stopped")',
        'stage = {True: 1}[row.stage != "search"]',
    ],
)
def test_a_name_that_is_planted_anywhere_is_found(planted: str) -> None:
    assert spelt_out(planted)


@pytest.mark.parametrize(
    "planted",
    [
        'a = runs["seed"]',
        'a = "steps" in frame',
        'a = runs[["optimizer", "run"]]',
        'a = statuses["failed"]',
        'a = runs.groupby("run")',
        'a = runs.groupby(["optimizer", "seed"])["x"]',
        'a = runs.sort_values(by="value")',
        "a = runs.assign(value=1)",
        'a = runs.agg(steps=("n", "max"))',
        'a = runs.agg(n=("steps", "max"))',
        'a = runs.rename(columns={"value": "x"})',
        'a = pd.DataFrame({"run": ids})',
        'a = pd.DataFrame(rows, columns=["metric"])',
        'runs["status"] = 1',
    ],
)
def test_a_name_that_is_planted_in_a_module_of_tables_is_found(planted: str) -> None:
    assert spelt_out(f"import pandas as pd\n{planted}")
    assert spelt_out(planted, of_tables=True)


def test_words_that_name_no_column_are_free() -> None:
    free = 'import pandas\n"""final.loss"""\na = head("run", "status")\nb = words["mean"]\nc = told.get(name, "done")\n'
    assert spelt_out(free) == []


def test_a_name_that_is_planted_in_a_template_is_found() -> None:
    assert quoted_names("""{% if status in ('done', 'stopped') %}""", ".j2") == list(ENDED_WELL)
    assert quoted_names("""{{ run['seed'] }}""", ".j2") == ["seed"]
    assert quoted_names("""<p class="seed">{{ seed }}</p>""", ".j2") == []
    assert quoted_names("""row["final.loss"]; if (row.status === "failed") row['steps']""", ".js") == [
        "final.loss",
        "failed",
        "steps",
    ]
    assert quoted_names("""make("input", {type: "search"}).setAttribute("value", 1)""", ".js") == []
