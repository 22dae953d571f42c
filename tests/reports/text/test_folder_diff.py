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
from xprun.reports.text.folder_diff import compare_tables, read_tolerance, worse_test

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
    text, regressed = difference(a, b)
    assert not regressed
    assert "SGD" in text
    assert "identical" in text


def test_a_drop_in_every_seed_is_one(make_folder: Make) -> None:
    text, regressed = difference(make_folder(less(0), name="a"), make_folder(less(0.1), name="b"))
    assert regressed
    assert "worse beyond tolerance" in text
    assert "0.031" in text  # 1 of 32


@pytest.mark.parametrize(
    ("tolerance", "finding"),
    [("0.05", "worse"), ("0.2", "inconclusive"), ("10%", "worse"), ("30%", "inconclusive")],
)
def test_a_tolerated_drop_is_none(compared: Compared, tolerance: str, finding: str) -> None:
    table = compared(less(0), less(0.1), tolerance)
    assert table["finding"].tolist() == [finding]
    np.testing.assert_allclose(table[["first", "second", "change"]], [[0.5, 0.4, -0.1]])


def test_an_improvement_is_none_and_a_larger_loss_is_one(compared: Compared) -> None:
    assert compared(less(0.1), less(0))["finding"].tolist() == ["better"]
    assert compared(less(0.1), less(0), goal="min")["finding"].tolist() == ["worse"]


def test_few_seeds_are_not_tested(compared: Compared) -> None:
    table = compared([Case("SGD", 0.1, [0.9] * 4)], [Case("SGD", 0.1, [0.1] * 4)])
    assert table["finding"].tolist() == ["too few seeds"]


def test_a_run_that_no_longer_ends_well_is_a_regression_even_with_one_seed(make_folder: Make) -> None:
    a, b = make_folder([Case("SGD", 0.1, [0.9])], name="a"), make_folder([Case("SGD", 0.1, [None])], name="b")
    text, regressed = difference(a, b, tolerance="1.0")
    assert regressed
    assert "1 of 1 now fail or diverge" in text


def test_settings_are_compared_with_themselves(compared: Compared) -> None:
    better = [Case("SGD", 0.2, [v + 0.3 for v in BASE])]
    table = compared(less(0), [*less(0.1), *better])
    assert table["finding"].tolist() == ["worse"]


def test_what_the_second_lacks_is_said(compared: Compared) -> None:
    table = compared([*less(0), Case("Adam", 0.1, BASE)], less(0))
    assert dict(zip(table["alternative"], table["finding"], strict=True))["Adam"] == "missing"


def test_folders_with_nothing_in_common_are_an_error(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder([Case("Adam", 0.1, BASE)], name="b")
    with pytest.raises(ReportError, match="share no setting and seed"):
        difference(a, b)


def test_a_folder_that_is_not_finished_is_told(make_folder: Make) -> None:
    a, b = make_folder(less(0), name="a"), make_folder(less(0), name="b")
    facts = json.loads((b / "resolved.json").read_text(encoding="utf-8"))
    (b / "resolved.json").write_text(json.dumps(facts | {"runs": 8}), encoding="utf-8")
    text, regressed = difference(a, b, markdown=True)
    assert text.endswith("\n\nThe second folder is not finished: it has 5 of 8 planned runs.")
    assert not regressed


def test_one_regression_among_many_is_found_with_five_seeds(compared: Compared) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (9, 5))
    same = [Case(f"rule {i}", 0.1, BASE) for i in range(9)]
    again = [Case(f"rule {i}", 0.1, list(np.add(BASE, noise[i]))) for i in range(9)]
    table = compared([*same, *less(0)], [*again, *less(0.1)])
    assert table.loc[table["alternative"] == "SGD", "finding"].tolist() == ["worse"]
    assert (table["finding"] == "worse").sum() == 1


def test_alternatives_that_did_not_change_hide_no_regression(compared: Compared) -> None:
    same = [Case(f"rule {i}", 0.1, BASE) for i in range(3)]
    table = compared([*same, *less(0)], [*same, *less(0.1)], tolerance="1%")
    assert table.set_index("alternative")["p"].to_dict() == {"SGD": 1 / 32, "rule 0": 1, "rule 1": 1, "rule 2": 1}


def test_the_test_alone_is_the_one_sided_sign_flip_test() -> None:
    (p,) = worse_test([pd.Series([0.3, -0.1, 0.5, 0.2, 0.7])])
    assert p == 2 / 32  # of all signs only these and those with +0.1 have as large a sum
    assert worse_test([pd.Series([0.0] * 5)]).tolist() == [1]
    assert worse_test([pd.Series([np.inf, 1.0, 2.0, 3.0, 4.0])]).tolist() == [1 / 32]
    assert np.isnan(worse_test([pd.Series([1.0])])).all()


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
    text, _ = difference(a, a, markdown=True)
    assert text.splitlines()[1].startswith("| :-- |")
    assert r"&lt;b&gt;\|x" in text


def test_each_problem_is_compared_with_itself(compared: Compared) -> None:
    def both(drop: float) -> list[Case]:
        easy = [Case(name, 0.1, BASE, {"data": "easy"}) for name in ("SGD", "Adam")]
        return easy + [Case(name, 0.1, [v / 10 - drop for v in BASE], {"data": "hard"}) for name in ("SGD", "Adam")]

    table = compared(both(0.0), both(0.01))
    assert table["alternative"].tolist() == ["easy · SGD", "easy · Adam", "hard · SGD", "hard · Adam"]
    assert table["setting"].tolist() == [""] * 4
    assert table["finding"].tolist() == ["inconclusive"] * 2 + ["worse"] * 2
