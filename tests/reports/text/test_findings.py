"""The verdict says no more than the seeds allow."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.folders import Case
from xprun.reports.stats.analysis import Analysis
from xprun.reports.text.findings import cautions, counts, finding_text, unfinished, verdict

Make = Callable[..., Analysis]
NOISE = np.random.default_rng(4).normal(0, 0.01, (4, 10)).round(4)


def objections(analysis: Analysis, planned: int = 0) -> list[str]:
    return unfinished(analysis.judged, planned) + cautions(analysis)


def test_too_few_seeds_name_no_winner(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.80, 0.82, 0.84]), Case("Adam", 0.1, [0.82, 0.84, 0.86])]
    assert verdict(analysis(*cases)) == (
        "No clear winner: Adam has the best mean valid.accuracy, 0.840 ± 0.020 (sd over 3 seeds), ahead of SGD with "
        "0.820 ± 0.020; 3 seeds cannot separate them; run at least 6 (--set run.seeds=6)."
    )


@pytest.mark.parametrize("n", [2, 5])
def test_disjoint_ranges_of_few_seeds_are_no_test(analysis: Make, n: int) -> None:
    cases = [Case("SGD", 0.1, [0.1] * n), Case("Adam", 0.1, [0.8] * n)]
    assert verdict(analysis(*cases)).endswith(f"{n} seeds cannot separate them; run at least 6 (--set run.seeds=6).")


def test_six_clear_seeds_are_told_apart(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.1, 0.11, 0.1, 0.1, 0.1, 0.1]), Case("Adam", 0.1, [0.2, 0.21, 0.2, 0.2, 0.2, 0.22])]
    assert verdict(analysis(*cases)) == (
        "Adam is best: mean valid.accuracy, 0.2050 ± 0.0084 (sd over 6 seeds), better than SGD with 0.1017 ± 0.0041 by "
        "0.10 (95% interval 0.10 to 0.12; p = 0.031)."
    )


def test_settings_that_were_chosen_are_only_explored(analysis: Make) -> None:
    """Whatever the seeds say: they have chosen the settings, so they cannot test them."""
    cases = [Case(name, lr, [base + lr] * 8) for name, base in (("SGD", 0.1), ("Adam", 0.5)) for lr in (0.1, 0.2)]
    found = analysis(*cases, baseline="SGD")
    sentence = verdict(found)
    assert sentence.startswith("Exploratory: Adam at lr=0.2 has the best mean valid.accuracy, 0.7 ± 0")
    assert sentence.endswith("confirm them on fresh seeds: --set confirm.seeds=10.")
    assert not any(word in sentence for word in ("better", "worse", "p =", "significant"))
    assert found.ranking["mean_low"].isna().all()  # an interval of the best of several would not hold what it says


def test_fresh_seeds_confirm_the_choice(analysis: Make) -> None:
    """The choice is that of the search; the ranking, and the test, that of the fresh seeds."""
    lucky = Case("SGD", 0.1, [0.9, 0.9], fresh=list(0.5 + NOISE[0]))
    other = Case("SGD", 0.2, [0.8, 0.8])
    adam = Case("Adam", 0.1, [0.7, 0.7], fresh=list(0.6 + NOISE[1]))
    found = analysis(lucky, other, adam, Case("Adam", 0.2, [0.6, 0.6]), baseline="SGD")
    assert found.confirmed
    assert found.ranking[["alternative", "optimizer.lr", "n"]].to_numpy().tolist() == [
        ["Adam", 0.1, 10],
        ["SGD", 0.1, 10],
    ]
    sentence = verdict(found)
    assert sentence.startswith("Adam at lr=0.1 is best: mean valid.accuracy, 0.60")
    assert "(sd over 10 fresh seeds), better than SGD at lr=0.1 with 0.4980" in sentence
    assert found.summary["n"].tolist() == [2] * 4  # of the search alone


def test_a_confirmation_that_is_not_complete_confirms_nothing(analysis: Make) -> None:
    confirmed = Case("Adam", 0.1, [0.7, 0.7], fresh=[0.6] * 10)
    found = analysis(
        confirmed, Case("Adam", 0.2, [0.6, 0.6]), Case("SGD", 0.1, [0.5, 0.5]), Case("SGD", 0.2, [0.1, 0.1])
    )
    assert not found.confirmed
    assert verdict(found).startswith("Exploratory: ")


def test_what_no_seed_of_the_search_could_train_needs_no_confirmation(analysis: Make) -> None:
    lost = Case("SGD", 9.0, [None, None])
    found = analysis(Case("Adam", 0.1, [0.7, 0.7], fresh=[0.6] * 10), Case("Adam", 0.2, [0.6, 0.6]), lost)
    assert found.confirmed
    assert found.ranking["alternative"].tolist() == ["Adam", "SGD"]
    assert verdict(found).endswith("of every other alternative all runs failed or diverged.")


def test_several_that_cannot_be_told_apart(analysis: Make) -> None:
    values = {"A": 0.9 + NOISE[0], "B": 0.9 + NOISE[1], "C": 0.9 + NOISE[2], "D": 0.2 + NOISE[3]}
    sentence = verdict(analysis(*(Case(name, 0.1, list(value)) for name, value in values.items()), baseline="D"))
    assert sentence.startswith(
        "No clear winner: B has the best mean valid.accuracy, 0.901 ± 0.013 (sd over 10 seeds), and "
    )
    assert "and 2 of the 3 others cannot be told apart from it (differences above 0.0" in sentence
    assert sentence.endswith("Better than D: B, A and C; worse: none.")


def test_one_seed_says_so(analysis: Make) -> None:
    sentence = verdict(analysis(Case("SGD", 0.1, [0.5]), Case("Adam", 0.1, [0.6])))
    assert "one seed, so the spread is unknown" in sentence
    assert "one seed each cannot separate them; run at least 6" in sentence


def test_equal_runs_tie(analysis: Make) -> None:
    same = [0.5, 0.6, 0.5, 0.6, 0.5, 0.6]
    assert verdict(analysis(Case("SGD", 0.1, same), Case("Adam", 0.1, same))).startswith("SGD and Adam tie: the same")


def test_practically_equal_is_a_conclusion(analysis: Make) -> None:
    cases = [Case("A", 0.1, list(0.9 + NOISE[0])), Case("B", 0.1, list(0.9 + NOISE[1]))]
    found = analysis(*cases, tolerance=0.05)
    assert verdict(found).startswith(("A and B are practically equal", "B and A are practically equal"))


def test_an_open_finding_says_what_would_have_shown(analysis: Make) -> None:
    pairs = analysis(Case("A", 0.1, list(0.9 + NOISE[0])), Case("B", 0.1, list(0.9 + NOISE[1]))).pairwise
    assert finding_text(pairs.of("A", "B"), "seed").startswith("inconclusive (differences above 0.0")
    few = analysis(Case("A", 0.1, [0.1] * 3), Case("B", 0.1, [0.2] * 3), name="few").pairwise
    assert finding_text(few.of("A", "B"), "seed") == "inconclusive (3 seeds; 6 are needed)"


def test_nothing_won_when_everything_diverged(analysis: Make) -> None:
    found = analysis(Case("SGD", 1.0, [None, None]), Case("Adam", 1.0, [None, None]))
    assert verdict(found).startswith("All runs failed or diverged")
    assert counts(found.judged) == {"diverged": 4}


def test_an_incomplete_best_is_no_best(analysis: Make) -> None:
    sentence = verdict(analysis(Case("SGD", 1.0, [0.9, None])))
    assert sentence.startswith("Every setting has runs that failed or diverged")
    assert "1 of 2 runs failed or diverged" in sentence


@pytest.mark.parametrize(
    "words",
    [
        "SGD (lr=0.3, the largest)",
        "from 1 setting (Adam) to 3 (SGD)",
        "so a better one may lie beyond it",
        "Rprop (1 of 1)",
    ],
)
def test_cautions(analysis: Make, words: str) -> None:
    cases = [Case("SGD", lr, [lr]) for lr in (0.1, 0.2, 0.3)] + [Case("Adam", 0.1, [0.2]), Case("Rprop", 0.1, [None])]
    assert words in " ".join(objections(analysis(*cases)))


def test_a_fair_comparison_has_no_cautions(analysis: Make) -> None:
    cases = [Case(name, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) for name in ("SGD", "Adam")]
    assert objections(analysis(*cases)) == []


def test_few_seeds_are_a_caution(analysis: Make) -> None:
    (found,) = objections(analysis(Case("SGD", 0.1, [0.1, 0.2]), Case("Adam", 0.1, [0.2, 0.3])))
    assert found.startswith("Few seeds: 2 cannot show any difference, since a paired test needs at least 6")


def test_missing_runs_are_a_caution(analysis: Make) -> None:
    found = objections(analysis(Case("SGD", 0.1, [0.1, 0.2])), planned=9)
    assert "Not finished: only 2 of 9 planned runs are in the table." in found


@pytest.mark.parametrize(
    ("metric", "stop", "words"),
    [
        (
            "valid.accuracy",
            {"metric_reached": {"valid.accuracy": 0.95}},
            "Runs stop when valid.accuracy reaches 0.95",
        ),
        ("loss", {"loss_below": 0.001, "metric_reached": {}}, "Runs stop when the loss is below 0.001, so their final"),
    ],
)
def test_a_stop_rule_that_caps_what_is_compared_is_a_caution(
    analysis: Make, metric: str, stop: dict[str, object], words: str
) -> None:
    fair = [Case(name, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) for name in ("SGD", "Adam")]
    plain = analysis(*fair, metric=metric, goal="min" if metric == "loss" else "max")
    assert not any("Runs stop" in caution for caution in cautions(plain))

    def stopped(rule: object) -> list[str]:
        resolved = plain.tables.resolved | {"spec": {"run": {"stop": rule}}}
        return [
            c for c in cautions(replace(plain, tables=replace(plain.tables, resolved=resolved))) if "Runs stop" in c
        ]

    [found] = stopped(stop)
    assert found.startswith(words)
    assert found.endswith('compare steps to the target instead (compare.metric = "steps_to_target").')
    assert stopped({"metric_reached": {"valid.other": 0.95}}) == stopped(None) == []


def test_a_choice_by_training_rows_is_a_caution(analysis: Make) -> None:
    found = objections(analysis(Case("SGD", 0.1, [0.5] * 5), metric="loss", goal="min"))
    assert found == [
        "Settings are chosen and ranked by loss on the training rows, although rows were held out: set compare.metric "
        "to valid.accuracy to see what generalises."
    ]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (["done", "done"], "All runs ended, but none has a number as valid.accuracy"),
        (["diverged", "failed"], "All runs failed or diverged, so there is no valid.accuracy to compare."),
        (["done", "diverged"], "All runs failed, diverged or have no number as valid.accuracy"),
    ],
)
def test_the_verdict_on_runs_without_a_value_says_what_is_true(
    analysis: Callable[..., Analysis], ends: list[str], words: str
) -> None:
    found = analysis(
        *(
            Case("SGD", 0.1 * i, [0.5], {"status": end, "final.valid.accuracy": None, "best.valid.accuracy": None})
            for i, end in enumerate(ends, 1)
        )
    )
    assert verdict(found).startswith(words), verdict(found)
