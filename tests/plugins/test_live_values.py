"""A rule that was typed into a notebook is known by its text and by the values of what it refers to."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Run, read_spec, read_text

HEAD = "from xprun.plugins import optimizer\n"
RULE = '@optimizer("typed")\ndef typed(w, g, *, lr=0.1):\n    return w - {} * lr * g\n'
SPEC = """
[data]
name = "line"
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "typed"
[run]
steps = 2
"""
Cells = Callable[..., Run]
# The cells before that of the rule, and what it computes with.
REFERS_TO = {
    "a number": ("FACTOR = 1", "FACTOR"),
    "a list that is changed": ("FACTORS = [0]\nFACTORS.append(1)", "FACTORS[-1]"),
    "a table": ("TABLE = {'k': (1, 'x')}", "TABLE['k'][0]"),
    "an array": ("import numpy as np\nA = np.full(3, 1)", "float(A[0])"),
    "a tensor": ("import torch\nA = torch.tensor([1.0])", "float(A[0])"),
    "a function": ("def factor():\n    return 1", "factor()"),
    "what a function refers to": ("K = 1\ndef factor():\n    return (lambda: K)()", "factor()"),
    "a default of a function": ("K = 1\ndef factor(k=K):\n    return k", "factor()"),
    "a closure": ("def make(k):\n    return lambda: k\nfactor = make(1)", "factor()"),
    "a partial object": ("from functools import partial\nfactor = partial(int, 1)", "factor()"),
    "an attribute of a class": ("class Numbers:\n    factor = 1", "Numbers.factor"),
    "a base class": ("class Base:\n    factor = 1\nclass Numbers(Base):\n    pass", "Numbers.factor"),
    "an object": ("class Box:\n    pass\nbox = Box()\nbox.factor = 1", "box.factor"),
}


@pytest.fixture
def run_cells(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    """Return a function that executes cells as a notebook does, and returns the run of a spec with the rule."""
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    names: list[str] = []

    def execute(*cells: str) -> Run:
        for cell in cells:
            name = f"<cell {len(names)}>"
            names.append(name)
            linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
            exec(compile(cell, name, "exec"), vars(main))
        return make_plan(resolve(read_spec(read_text(SPEC, "spec.toml", ())), REGISTRY), "cpu").runs[0]

    yield execute
    for name in names:
        linecache.cache.pop(name, None)


@pytest.mark.parametrize("case", REFERS_TO)
def test_a_run_is_another_when_a_value_that_its_rule_refers_to_is_another(case: str, run_cells: Cells) -> None:
    cell, used = REFERS_TO[case]
    rule = HEAD + RULE.format(used)
    before = run_cells(cell, rule)
    assert run_cells(cell, rule).id == before.id
    assert run_cells(cell.replace("1", "2"), rule).id != before.id


def test_a_rule_that_refers_to_nothing_is_known_by_its_text(run_cells: Cells) -> None:
    run = run_cells(HEAD + RULE.format("1"))
    assert not run.choices["optimizer"].alternative.reads
    assert run_cells("FACTOR = 1", HEAD + RULE.format("1")).id == run.id


def test_a_module_that_a_rule_refers_to_counts_with_its_text(
    run_cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "notebook_aide.py").write_text("FACTOR = 1\n", encoding="utf-8")
    run = run_cells("import notebook_aide", HEAD + RULE.format("notebook_aide.FACTOR"))
    assert "notebook_aide.py" in run.choices["optimizer"].alternative.reads
    del sys.modules["notebook_aide"]


def test_a_value_that_cannot_be_read_is_told(run_cells: Cells) -> None:
    run = run_cells("import threading\nlock = threading.Lock()", HEAD + RULE.format("lock.locked()"))
    assert run.choices["optimizer"].alternative.not_read == ("the value of lock, of type lock",)
