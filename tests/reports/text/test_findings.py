"""The verdict says no more than the seeds allow."""

from collections.abc import Callable

import pytest
from support.folders import Analysis, Case
from xprun.reports.text.findings import cautions, counts, unfinished, verdict

Make = Callable[..., Analysis]


def said(analysis: Analysis) -> str:
    comparison, judged, _, ranking = analysis
    return verdict(judged, ranking, comparison)


def objections(analysis: Analysis, planned: int = 0) -> list[str]:
    comparison, judged, summary, ranking = analysis
    return unfinished(judged, planned) + cautions(summary, ranking, comparison)


def test_too_few_seeds_name_no_winner(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.80, 0.82, 0.84]), Case("Adam", 0.1, [0.82, 0.84, 0.86])]
    assert said(analysis(*cases)) == (
        "No clear winner: Adam has the best mean valid.accuracy, 0.840 ± 0.020 (sd over 3 seeds), ahead of SGD with "
        "0.820 ± 0.020; 3 seeds cannot separate them; run at least 6 (--set run.seeds=6)."
    )


def test_disjoint_ranges_of_few_seeds_are_no_test(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.1, 0.2]), Case("Adam", 0.1, [0.8, 0.9])]
    assert said(analysis(*cases)).endswith("2 seeds cannot separate them; run at least 6 (--set run.seeds=6).")


def test_five_seeds_are_tested(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.1] * 5), Case("Adam", 0.1, [0.2] * 5)]
    sentence = said(analysis(*cases))
    assert sentence.startswith("No clear winner: Adam has the best mean")
    assert "5 seeds cannot separate them (sign-flip test over 5 shared seeds: p = 0.062); run at least 6" in sentence


def test_six_clear_seeds_are_told_apart(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.1] * 6), Case("Adam", 0.1, [0.2] * 6)]
    sentence = said(analysis(*cases))
    assert sentence.startswith("Adam has the best mean")
    assert sentence.endswith("which is significant (sign-flip test over 6 shared seeds: p = 0.031).")


def test_one_seed_says_so(analysis: Make) -> None:
    sentence = said(analysis(Case("SGD", 0.1, [0.5]), Case("Adam", 0.1, [0.6])))
    assert "one seed, so the spread is unknown" in sentence
    assert "one seed each cannot separate them; run at least 6" in sentence


def test_equal_means_tie(analysis: Make) -> None:
    cases = [Case("SGD", 0.1, [0.5, 0.6]), Case("Adam", 0.1, [0.5, 0.6])]
    assert "SGD and Adam tie: mean valid.accuracy 0.550 ± 0.071 and 0.550 ± 0.071 (sd over 2 seeds)" in said(
        analysis(*cases)
    )


def test_nothing_won_when_everything_diverged(analysis: Make) -> None:
    found = analysis(Case("SGD", 1.0, [None, None]), Case("Adam", 1.0, [None, None]))
    assert said(found).startswith("All runs failed or diverged")
    assert counts(found[1]) == {"diverged": 4}


def test_an_incomplete_best_is_no_best(analysis: Make) -> None:
    sentence = said(analysis(Case("SGD", 1.0, [0.9, None])))
    assert sentence.startswith("Every setting has failed or diverged runs")
    assert "1 of 2 runs failed or diverged" in sentence


@pytest.mark.parametrize(
    "words",
    [
        "Few seeds: 1 per setting",
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
    cases = [Case(name, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5]) for name in ("SGD", "Adam")]
    assert objections(analysis(*cases)) == []


def test_missing_runs_are_a_caution(analysis: Make) -> None:
    found = objections(analysis(Case("SGD", 0.1, [0.1, 0.2])), planned=9)
    assert "Not finished: only 2 of 9 planned runs are in the table." in found


def test_a_choice_by_training_rows_is_a_caution(analysis: Make) -> None:
    found = objections(analysis(Case("SGD", 0.1, [0.5] * 5), metric="loss", goal="min"))
    assert found == [
        "Settings are chosen and ranked by loss on the training rows, although rows were held out: set compare.metric "
        "to valid.accuracy to see what generalises."
    ]


def test_the_verdict_says_by_how_much(analysis: Make) -> None:
    cases = [Case("A", 0.1, [0.5, 0.6, 0.7, 0.8, 0.9]), Case("B", 0.1, [0.3, 0.5, 0.5, 0.7, 0.7])]
    size = "the difference is 0.16 (95% interval 0.12 to 0.20), but 5 seeds cannot separate them"
    assert size in said(analysis(*cases))
