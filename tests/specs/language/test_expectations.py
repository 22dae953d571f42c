"""What `[[expect]]` may say, and what each mistake in it is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Expectation, SpecError, read_document, read_spec
from xprun.specs.language.expectations import selects

Read = Callable[[str], tuple[Expectation, ...]]


@pytest.fixture
def read(write: Callable[[str], Path], line_spec: str) -> Read:
    """Return a function from the lines of an `[[expect]]` to its claims."""
    grid = line_spec.replace("lr = 0.1", 'label = "descent"\nlr = { grid = [0.1, 1.0] }')

    def expectations(lines: str) -> tuple[Expectation, ...]:
        path = write(f"{grid}\n[[expect]]\n{lines}")
        return resolve(read_spec(read_document(path)), REGISTRY).expectations

    return expectations


@pytest.mark.parametrize(
    ("lines", "claim"),
    [
        ('value = "loss"\nmax = 0.5', "final.loss <= 0.5"),
        ('value = "loss"\nat = "best"\nmin = 0.1\nmax = 1', "best.loss >= 0.1 and <= 1"),
        ('value = "final.loss"\nover = "median"\nmax = 1', "median final.loss <= 1"),
        ('value = "steps"\nequals = 5', "steps = 5"),
        ('value = "param.w"\nequals = 3\nrel = 1e-5\nabs = 0.1', "param.w = 3 (rel 1e-05, abs 0.1)"),
        ('where = { optimizer = "descent" }\nstatus = "diverged"', "descent: status = diverged"),
        ('where = { optimizer.lr = 1 }\nvalue = "loss"\nmax = 1', "optimizer.lr=1: final.loss <= 1"),
        (
            'where = { "optimizer.lr" = 0.1, seed = 0 }\nvalue = "loss"\nbeats = { "optimizer.lr" = 1 }\n'
            "confidence = 0.5",
            "optimizer.lr=0.1 seed=0: final.loss beats optimizer.lr=1 with confidence 0.5",
        ),
    ],
)
def test_a_claim_is_told_in_words(read: Read, lines: str, claim: str) -> None:
    assert [expectation.claim for expectation in read(lines)] == [claim]


def test_a_table_of_published_values_is_one_claim_for_each(read: Read) -> None:
    claims = [e.claim for e in read('value = "loss"\nat = [1, 5]\nequals = [2.5, 0.5]\nrel = 1e-3')]
    assert claims == ["loss at step 1 = 2.5 (rel 0.001)", "loss at step 5 = 0.5 (rel 0.001)"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "17:3: expect[0]: makes no claim"),
        ("max = 1", "expect[0]: does not say which value it is about"),
        ('valeu = "loss"\nmax = 1', "18:1: expect[0].valeu: [expect] has no such setting; did you mean 'value'?"),
        ('value = "loss"\nmax = "a"', 'expect[0].max: must be a number, not "a"'),
        ('value = "loss"\nmin = 2\nmax = 1', "expect[0].min: is above max, which is 1"),
        ('value = "loss"\nmax = 1\nrel = 0.1', "expect[0].rel: has no effect together with max"),
        ('value = "loss"\nmax = 1\nequals = 1', "expect[0].equals: has no effect together with max"),
        ('status = "done"\nvalue = "loss"', "expect[0].value: has no effect together with status"),
        ('status = "fine"', "expect[0].status: must be 'done', 'stopped', 'diverged', 'failed' or 'timeout'"),
        (
            'value = "param.w"\nat = 5\nmax = 1',
            "19:1: expect[0].at: has no effect on param.w, which is one number per run",
        ),
        ('value = "loss"\nat = 0\nmax = 1', "19:6: expect[0].at: there is no step 0 of it: the first step is 1"),
        ('value = "loss"\nat = -1\nmax = 1', "expect[0].at: must be"),
        ('value = "loss"\nat = [1, 2]\nequals = 1', "expect[0].at: at and equals differ in length"),
        ('value = "loss"\nat = [1, 2]\nequals = [1, 2, 3]', "expect[0].at: at and equals differ in length"),
        (
            'value = "los"\nmax = 1',
            "18:9: expect[0].value: the runs of this spec have no result 'los'; did you mean 'loss'?",
        ),
        ('value = "los"\nat = [1, 2]\nequals = [1, 2]', "did you mean 'loss'?"),
        ('value = "best.train.loss"\nmax = 1', "the runs of this spec have no result 'train.loss'"),
        ('value = "param.w"\nbeats = { seed = 0 }', "expect[0].value: param.w is neither better high nor better low"),
        (
            'where = { optimiser = "descent" }\nstatus = "done"',
            "18:11: expect[0].where.optimiser: no run of this spec has such a column; did you mean 'optimizer'?",
        ),
        (
            'where = { "optimizer.rl" = 1 }\nstatus = "done"',
            "no run of this spec has such a column; did you mean 'optimizer.lr'?",
        ),
        (
            'value = "loss"\nbeats = { optimizer = "decent" }',
            "expect[0].beats.optimizer: no optimizer is labelled \"decent\"; did you mean 'descent'?",
        ),
    ],
)
def test_each_mistake_has_one_message_at_its_place(read: Read, lines: str, message: str) -> None:
    with pytest.raises(SpecError) as found:
        read(lines)
    assert message in str(found.value)
    assert len(found.value.problems) == 1


def test_what_only_an_ablation_brings_can_be_claimed(read: Read) -> None:
    ablated = '[ablate]\n"data.noise" = 0.5'
    label = "line noise=0.5"
    claim = f'where = {{ data = "{label}", "data.noise" = 0.5 }}\nstatus = "done"\n{ablated}'
    assert [expectation.claim for expectation in read(claim)] == [f"{label} data.noise=0.5: status = done"]


@pytest.mark.parametrize(
    ("cell", "wanted", "same"),
    [
        (0.0316227766017, 0.03162, True),
        (0.0316227766017, 0.0316, False),
        (1.0, 1, True),
        (1000001, 1000000, False),
        (True, 1, False),
        ("1", 1, False),
        (1, 1.0, True),
        ("[0.9, 0.999]", [0.9, 0.999], True),
        (0.1, [0.1, 0.01], True),
        ("Adam", ["SGD", "Adam"], True),
        (0.5, [0.1, 0.01], False),
    ],
)
def test_selected_are_numbers_by_four_digits_all_else_exactly_and_lists_by_any_value(
    cell: object, wanted: object, same: bool
) -> None:
    assert selects({"x": wanted}, {"x": cell}) is same  # type: ignore[dict-item]
    assert not selects({"y": wanted}, {"x": cell})  # type: ignore[dict-item]


def test_a_list_in_where_means_any_of_its_values(read: Read) -> None:
    claim = 'where = { optimizer = ["descent"], "optimizer.lr" = [0.1, 1.0] }\nstatus = "done"'
    assert [expectation.claim for expectation in read(claim)] == ["descent optimizer.lr=0.1 or 1.0: status = done"]
