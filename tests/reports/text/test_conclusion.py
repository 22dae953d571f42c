"""The first words of a page: a badge, a short sentence that does not go beyond the seeds, and a command."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import Case, describe_folder
from xprun.reports.data.results_folder import read_tables
from xprun.reports.sections.summary_table import summary_table
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.text.conclusion import Conclusion, conclude
from xprun.reports.text.problem_findings import take_together

LONGEST = 25  # words
Make = Callable[..., Analysis]
SAME = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95]


def around(mean: float, n: int = 8, spread: float = 0.001, seed: int = 0) -> list[float | None]:
    return [float(mean + spread * x) for x in np.random.default_rng(seed).normal(size=n)]


def worse(values: list[float | None], by: float) -> list[float | None]:
    return [None if value is None else value - by for value in values]


def cases(**values: list[float | None]) -> list[Case]:
    return [Case(name, 0.1, several) for name, several in values.items()]


@pytest.mark.parametrize(
    ("given", "options", "badge", "words", "command"),
    [
        (cases(A=around(0.9), B=around(0.8, seed=1)), {}, "winner", "A is best: final valid.accuracy 0.9", ""),
        (
            cases(A=around(0.9), B=worse(around(0.9), 0.1), C=worse(around(0.9), 0.2)),
            {},
            "winner",
            "(p = 0.0078), and than C.",
            "",
        ),
        (cases(A=SAME, B=SAME), {}, "tie", "A and B tie: the same valid.accuracy in every run.", ""),
        (
            cases(A=SAME, B=worse(SAME, 0.001)),
            {"tolerance": 0.01},
            "tie",
            "A and B are practically equal: final valid.accuracy within 0.01.",
            "",
        ),
        (
            cases(A=around(0.9, spread=0.05), B=around(0.89, spread=0.05, seed=1)),
            {},
            "no clear winner",
            "but 8 seeds cannot separate it from",
            "--set ",
        ),
        (cases(A=[0.9, 0.91], B=[0.8, 0.81]), {}, "too few seeds", "2 seeds cannot separate them", "run.seeds=6"),
        (
            [Case("A", 0.1, [0.9]), Case("A", 0.2, [0.8]), Case("B", 0.1, [0.7])],
            {},
            "exploratory",
            "A leads",
            "confirm",
        ),
        (cases(A=[None, None], B=[None]), {}, "no result", "All runs failed or diverged", "--only "),
        (cases(A=[0.9, 0.8]), {}, "one result", "A reached a mean final valid.accuracy of 0.85 over 2 seeds.", "--set"),
    ],
)
def test_a_conclusion(
    analysis: Make, given: list[Case], options: dict[str, Any], badge: str, words: str, command: str
) -> None:
    found = conclude(analysis(*given, **options))
    assert found.badge == badge
    assert words in found.sentence
    assert command in found.options
    assert found.advice


def every_kind(analysis: Make) -> Iterator[Conclusion]:
    """Conclusions of many kinds of results, with names and settings as people have them."""
    names = ("scratch.adam", "SGD momentum=0.9", "Adam", "RMSprop")
    kinds: list[list[list[float | None]]] = [
        [around(0.9), worse(around(0.9), 0.1), worse(around(0.9), 0.2), [None] * 8],
        [around(0.9, spread=0.1, seed=i) for i in range(4)],
        [SAME] * 4,
        [[0.5], [0.4], [0.3], [None]],
        [[None], [None], [None, 0.5], [None]],
        [[0.5, None], [0.4, None], [0.3, None], [0.2, None]],
        [around(0.9), [None] * 8, [None] * 8, [None] * 8],
    ]
    for number, kind in enumerate(kinds):
        for settings in (1, 2):
            given = [
                Case(name, lr, values)
                for name, values in zip(names, kind, strict=True)
                for lr in (0.001234, 0.1)[:settings]
            ]
            for count in (1, 2, 4):
                several = given[: count * settings]
                yield conclude(analysis(*several, name=f"kind-{number}-{settings}-{count}"))


def test_a_sentence_is_short(analysis: Make) -> None:
    found = list(every_kind(analysis))
    assert len({one.badge for one in found}) >= 6
    assert [one.sentence for one in found if len(one.sentence.split()) > LONGEST] == []


@pytest.mark.parametrize(
    ("problems", "flip", "badge"), [(2, True, "tie"), (3, False, "too few problems"), (7, False, "winner")]
)
def test_over_problems(make_folder: Callable[..., Path], problems: int, flip: bool, badge: str) -> None:
    given = [
        Case(name, 0.1, [value + 0.001 * i], {"data": f"p{i}"})
        for i in range(problems)
        for name, value in zip(("A", "B"), (0.8, 0.9) if flip and i % 2 else (0.9, 0.8), strict=True)
    ]
    folder = describe_folder(make_folder(given), problems=[f"p{i}" for i in range(problems)])
    found = make_analysis(read_tables(folder))
    overall = take_together(found)
    conclusion = conclude(found, overall)
    assert conclusion.badge == badge
    assert len(conclusion.sentence.split()) <= LONGEST
    assert summary_table(found, overall).listing.head[:3] == ["alternative", "mean rank", "best on"]


@pytest.mark.parametrize("command", ["xprun bench A", "xprun bench A --suite full", "xprun study.toml"])
def test_where_problems_are_too_few_a_bench_takes_the_larger_suite(
    make_folder: Callable[..., Path], command: str
) -> None:
    given = [
        Case(name, 0.1, [value], {"data": f"p{i}"})
        for i in range(7)
        for name, value in zip("ABC", (0.8, 0.9, 0.85) if i % 2 else (0.9, 0.8, 0.85), strict=True)
    ]
    folder = describe_folder(make_folder(given), problems=[f"p{i}" for i in range(7)])
    facts = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    (folder / "environment.json").write_text(json.dumps(facts | {"command": command}), encoding="utf-8")
    found = make_analysis(read_tables(folder))
    conclusion = conclude(found, take_together(found))
    assert conclusion.sentence.endswith("but 7 problems cannot separate it from both others.")
    assert conclusion.options == ("--suite full" if command == "xprun bench A" else "")


def test_missing_runs_come_first_of_what_to_do(analysis: Make) -> None:
    found = conclude(analysis(*cases(A=SAME, B=SAME)), missing=3)
    assert (found.advice, found.options) == ("Train the 3 runs that are missing", "")


def test_the_table_says_what_differs_in_practice(analysis: Make) -> None:
    values = around(0.9)
    given = [Case("A", 0.1, values), Case("B", 0.1, worse(values, 0.1)), Case("C", 0.1, [None] * 8)]
    table = summary_table(analysis(*given, target=0.7)).listing
    assert table.head == ["alternative", "final valid.accuracy", "group", "steps to 0.7", "failed"]
    assert [row[0] for row in table.rows] == ["A", "B", "C"]
    assert [row[2] for row in table.rows] == ["a", "b", "c"]
    assert table.rows[2][1:4] == ("8 of 8 diverged", "c", "never")
    assert table.rows[2][4] == "8 of 8"


def test_the_table_has_no_letters_where_nothing_is_tested(analysis: Make) -> None:
    assert "group" not in summary_table(analysis(*cases(A=[0.9], B=[0.8]))).listing.head
