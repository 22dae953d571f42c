"""Shares of the variance are those of an analysis of variance."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from support.folders import Case, describe_folder
from xprun.reports.data.results_folder import read_tables
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.stats.variance_shares import variance_shares

Make = Callable[..., Path]


def repeated(make_folder: Make, values: dict[str, np.ndarray]) -> Analysis:
    """Alternatives with values [splits, seeds]."""
    cases = [
        Case(name, 0.1, list(row), {"data.split_seed": split})
        for name, table in values.items()
        for split, row in enumerate(table)
    ]
    folder = describe_folder(make_folder(cases), repeats=["data.split_seed"])
    return make_analysis(read_tables(folder))


def test_splits_are_repeats_and_no_settings(make_folder: Make) -> None:
    analysis = repeated(make_folder, {"A": np.array([[0.9, 0.8], [0.5, 0.4], [0.6, 0.7]])})
    assert analysis.comparison.keys == []
    assert analysis.ranking[["n", "tried"]].to_numpy().tolist() == [[6, 1]]
    assert analysis.ranking["mean"].iloc[0] == pytest.approx(0.65)
    assert analysis.comparison.repeat == "repeat"


def test_pairs_are_of_one_seed_and_split(make_folder: Make) -> None:
    random = np.random.default_rng(0)
    base = random.normal(0.5, 0.1, (3, 4))
    pair = repeated(make_folder, {"A": base, "B": base + 0.01}).pairwise.of("B", "A")
    assert (pair.n, pair.wins, pair.finding) == (12, 12, "better")


def test_the_shares_add_up_and_are_the_main_effects(make_folder: Make) -> None:
    split, seed = np.array([0.0, 3.0, 6.0])[:, None], np.array([0.0, 1.0])[None, :]
    analysis = repeated(make_folder, {"A": split + seed, "B": np.zeros((3, 2))})
    table = variance_shares(analysis.finals, analysis.comparison).set_index("alternative")
    whole = np.var([a + b for a, b in product([0.0, 3.0, 6.0], [0.0, 1.0])])
    assert table.loc["A"].tolist() == pytest.approx([0.25 / whole, 6 / whole, 0.0])
    assert table.loc["B"].isna().all()
