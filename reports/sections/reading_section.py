"""How to read a report: the rules behind its numbers, in a few sentences."""

from xprun.reports.sections.blocks import Section, Sentences
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import BLOCKS_NEEDED


def reading_section(analysis: Analysis) -> Section:
    """The rules behind the numbers."""
    return Section("reading", "How to read this page", [Sentences(reading(analysis))])


_RUNNING = (
    "train.* are averages over the batches of the latest epoch, each measured as it was trained on "
    '(run.measure_train = "running"): they lag behind the model that the epoch ends with.'
)
_PROBLEMS = [
    "A problem is one combination of the sections that are not being compared, e.g. one data set with one model. Each "
    "alternative is taken at its chosen setting on each problem. Over the problems, pairs are compared by how often a "
    f"run of one is better than a run of the other on each problem; below {BLOCKS_NEEDED} problems there is no test. "
    "Equals share the better rank (1, 1, 3); failed and diverged runs come last.",
    "A score is 0 for the worst run of a problem and for runs that failed or diverged, and 1 for the best run; in "
    "between it is linear in the metric, or in its logarithm where the metric spans more than two decades. Its "
    "interval covers other seeds, not other problems.",
]


def reading(analysis: Analysis) -> list[str]:
    """One sentence or two for each rule."""
    comparison, repeat = analysis.comparison, analysis.comparison.repeat
    best = "lowest" if comparison.ascending else "highest"
    return [
        "An alternative is one of the labelled configurations that are compared, with all the settings tried for it. "
        f"Its setting is chosen in the search: the one with the {best} mean of the "
        f"{comparison.chosen} over its {repeat}s. {_where_it_is_tested(analysis)}",
        "The 95% interval of a mean is Student's, exact for normal noise. sd is the standard deviation over "
        f"{repeat}s (dividing by n - 1): how much runs differ, not how uncertain the mean is. IQM is the mean of the "
        "middle half.",
        "A setting with a run that diverged, failed or timed out has no mean and ranks after all others. "
        "Such runs are counted, never replaced by a number; in paired tests they are worse than any value.",
        f"Equal seeds share initial parameters and batch order across alternatives, so tests are paired by {repeat}: p "
        "is from a two-sided sign-flip test (on signed ranks where a run failed or diverged), corrected for all pairs "
        f"of alternatives (max-T). There is no test below {BLOCKS_NEEDED} {repeat}s, which could not be significant. "
        "The interval of a difference holds what that test does not reject. Inconclusive does not mean equal: the "
        "finding says how large a difference would have shown.",
        "Effect size is the mean difference in standard deviations of the differences. The probability of improvement "
        "is that of a random run of one being better than a random run of the other; ties count half.",
        "Steps to the target are medians over all runs of a setting; a run that does not reach it counts as infinite. "
        "Seconds are the median time of a run; amortised seconds are an equal share of the time of runs that were "
        "trained together, which says nothing about a run alone, so there is no time to target in seconds.",
        "The expected best of k settings draws them without replacement; a dash where all k may have failed or "
        "diverged.",
        *([_RUNNING] if _averages_batches(analysis) else []),
        *(_PROBLEMS if comparison.problems else []),
    ]


def _averages_batches(analysis: Analysis) -> bool:
    """Whether results of the training rows are averages over batches."""
    return any(part.run_settings.get("measure_train") == "running" for part in (analysis, *analysis.problems.values()))


def _where_it_is_tested(analysis: Analysis) -> str:
    parts = [analysis, *analysis.problems.values()]
    if any(part.confirmed for part in parts):
        return "It was then trained on fresh seeds, and only these runs are ranked, compared and tested."
    if any(part.exploratory for part in parts):
        return (
            "The runs that chose it flatter it, more so the more settings were tried, so they test nothing: this page "
            "is exploratory, until the chosen settings are confirmed on fresh seeds ([confirm] seeds = 10)."
        )
    return "Here nothing was chosen: each alternative has one setting."
