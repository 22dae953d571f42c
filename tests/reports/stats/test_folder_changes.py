"""Two folders compared: what a CI job may rely on."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import Case
from xprun.reports import ReportError, difference
from xprun.reports.data.results_folder import read_results
from xprun.reports.stats.folder_changes import compare_tables, read_tolerance

Make = Callable[..., Path]

BASE = [0.50, 0.52, 0.48, 0.51, 0.49]


@pytest.fixture
def compared(make_folder: Make) -> Callable[..., pd.DataFrame]:
    def compare(first: list[Case], second: list[Case], tolerance: str = "0", **options: str) -> pd.DataFrame:
        folders = [make_folder(cases, name=name, **options) for name, cases in (("a", first), ("b", second))]
        return compare_tables(*map(read_results, folders), read_tolerance(tolerance))

    return compare


Compared = Callable[..., pd.DataFrame]


def less(by: float) -> list[Case]:
    return [Case("SGD", 0.1, [value - by for value in BASE])]


def test_the_same_results_are_no_regression(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder(less(0), name="b")
    found = difference(a, b)
    assert (found.regressed, found.undecided) == (False, [])
    assert "SGD" in found.text
    assert "identical" in found.text
    assert difference(a, a).text == found.text


def test_a_drop_in_every_seed_is_one(make_folder: Make) -> None:
    found = difference(make_folder(less(0), name="a"), make_folder(less(0.1), name="b"), "0.01")
    assert found.regressed
    assert "worse beyond tolerance" in found.text


@pytest.mark.parametrize(
    ("tolerance", "finding"),
    [("0.05", "worse"), ("0.2", "within tolerance"), ("10%", "worse"), ("30%", "within tolerance")],
)
def test_a_tolerated_drop_is_none(compared: Compared, tolerance: str, finding: str) -> None:
    table = compared(less(0), less(0.1), tolerance)
    assert table["finding"].tolist() == [finding]
    np.testing.assert_allclose(table[["first", "second", "change"]], [[0.5, 0.4, -0.1]])


def test_an_improvement_is_none_and_a_larger_loss_is_one(compared: Compared) -> None:
    assert compared(less(0.1), less(0))["finding"].tolist() == ["better"]
    assert compared(less(0.1), less(0), goal="min")["finding"].tolist() == ["worse"]


def test_a_collapse_that_few_seeds_cannot_prove_is_no_pass(make_folder: Make) -> None:
    """From 0.957 to 0.717 with three seeds: nobody can say that it is no chance, and nobody that it is."""
    a = make_folder([Case("SGD", 0.1, [0.957, 0.95, 0.96])], name="a")
    b = make_folder([Case("SGD", 0.1, [0.717, 0.71, 0.72])], name="b")
    found = difference(a, b, "0.01")
    assert not found.regressed
    assert found.undecided == [
        "SGD: worse by 0.24 on average, and 3 seeds cannot say whether that is chance; 5 are needed"
    ]
    assert "inconclusive (3 seeds; 5 are needed)" in found.text
    assert difference(b, a, "0.01").undecided == []
    assert difference(a, b, "0.5").undecided == []


def test_a_run_that_no_longer_ends_well_is_a_regression_even_with_one_seed(make_folder: Make) -> None:
    a, b = make_folder([Case("SGD", 0.1, [0.9])], name="a"), make_folder([Case("SGD", 0.1, [None])], name="b")
    found = difference(a, b, tolerance="1.0")
    assert found.regressed
    assert "1 of 1 now fail or diverge" in found.text


def test_the_setting_is_chosen_by_both_folders(compared: Compared) -> None:
    """The best of the first alone would fall back in the second: regression to the mean."""
    first = [*less(0), Case("SGD", 0.2, [v + 0.02 for v in BASE])]
    second = [*less(0), Case("SGD", 0.2, [v - 0.06 for v in BASE])]
    table = compared(first, second)
    assert table[["setting", "finding"]].to_numpy().tolist() == [["lr=0.1", "identical"]]


def test_choosing_by_both_folders_finds_no_change_where_there_is_none(compared: Compared) -> None:
    random = np.random.default_rng(1)
    rates = [round(0.01 * 2**i, 4) for i in range(12)]
    found = []
    for _ in range(60):
        noise = random.normal(0.5, 0.1, (2, len(rates), 10))
        first, second = ([Case("SGD", lr, list(row)) for lr, row in zip(rates, side, strict=True)] for side in noise)
        found += compared(first, second)["finding"].tolist()
    assert (np.array(found) == "worse").mean() < 0.12


def test_fresh_seeds_of_both_folders_are_compared(compared: Compared) -> None:
    first = [Case("SGD", 0.1, [0.5, 0.5], fresh=[0.7, 0.71, 0.7, 0.72, 0.7]), Case("SGD", 0.2, [0.1, 0.1])]
    second = [Case("SGD", 0.1, [0.5, 0.5]), Case("SGD", 0.2, [0.9, 0.9], fresh=[0.6, 0.61, 0.6, 0.62, 0.6])]
    table = compared(first, second)
    assert table[["setting", "n", "finding"]].to_numpy().tolist() == [["lr=0.1 → lr=0.2", 5, "worse"]]


def test_folders_that_hold_out_other_rows_are_refused(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder(less(0), name="b")
    for folder, valid in ((a, "test"), (b, 0.1)):
        facts = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
        spec = {"data": [{"name": "MNIST", "label": "MNIST", "settings": {"valid": valid}}]}
        (folder / "resolved.json").write_text(json.dumps(facts | {"spec": spec}), encoding="utf-8")
    with pytest.raises(ReportError, match=r"hold out different rows of MNIST \(valid = test and valid = 0.1\)"):
        difference(a, b)


def test_what_the_second_lacks_is_said(compared: Compared) -> None:
    table = compared([*less(0), Case("Adam", 0.1, BASE)], less(0))
    assert dict(zip(table["alternative"], table["finding"], strict=True)) == {"SGD": "identical", "Adam": "missing"}


def test_folders_with_nothing_in_common_are_an_error(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder([Case("Adam", 0.1, BASE)], name="b")
    with pytest.raises(ReportError, match="share no setting and seed"):
        difference(a, b)


def test_a_folder_that_is_not_finished_is_told(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder(less(0), name="b")
    facts = json.loads((b / "resolved.json").read_text(encoding="utf-8"))
    (b / "resolved.json").write_text(json.dumps(facts | {"runs": 8}), encoding="utf-8")
    found = difference(a, b, markdown=True)
    assert found.text.endswith("\n\nThe second folder is not finished: it has 5 of 8 planned runs.")
    assert not found.regressed


def test_alternatives_that_did_not_change_hide_no_regression(compared: Compared) -> None:
    same = [Case(f"rule {i}", 0.1, BASE) for i in range(3)]
    table = compared([*same, *less(0)], [*same, *less(0.1)], tolerance="1%").set_index("alternative")
    assert table["finding"].to_dict() == {
        "SGD": "worse",
        "rule 0": "identical",
        "rule 1": "identical",
        "rule 2": "identical",
    }


@pytest.mark.parametrize("tolerance", ["-1", "nan", "much", "inf"])
def test_a_tolerance_is_a_number(tolerance: str) -> None:
    with pytest.raises(ValueError):
        read_tolerance(tolerance)


def test_another_metric_is_an_error(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder(less(0), name="b")
    runs = pd.read_csv(b / "results.csv").rename(columns={"final.valid.accuracy": "final.f1"})
    runs.to_csv(b / "results.csv", index=False)
    with pytest.raises(ReportError, match=r"no metric 'valid\.accuracy'; it has loss, f1"):
        difference(a, b)


def test_markdown_for_a_pull_request(make_folder: Make) -> None:
    a = make_folder([Case("<b>|x", 0.1, BASE)], name="a")
    text = difference(a, a, markdown=True).text
    assert text.splitlines()[1].startswith("| :-- |")
    assert r"&lt;b&gt;\|x" in text


def test_each_problem_is_compared_with_itself(compared: Compared) -> None:
    def both(drop: float) -> list[Case]:
        easy = [Case(name, 0.1, BASE, {"data": "easy"}) for name in ("SGD", "Adam")]
        return easy + [Case(name, 0.1, [v / 10 - drop for v in BASE], {"data": "hard"}) for name in ("SGD", "Adam")]

    table = compared(both(0.0), both(0.01))
    assert table["setting"].tolist() == [""] * 4
    assert table.set_index("alternative")["finding"].to_dict() == {
        "easy · SGD": "identical",
        "easy · Adam": "identical",
        "hard · SGD": "worse",
        "hard · Adam": "worse",
    }
