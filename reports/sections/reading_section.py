"""How to read a report: the rules behind its numbers, in a few sentences."""

from xprun.reports.data.compared import Comparison
from xprun.reports.sections.blocks import Section, Sentences
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.paired_over_seeds import SEEDS_NEEDED


def reading_section(analysis: Analysis) -> Section:
    """The rules behind the numbers."""
    return Section("reading", "How to read this page", [Sentences(reading(analysis.comparison))])


_PROBLEMS = [
    "A problem is one combination of the sections that are not being compared, e.g. one data set with one model. Each "
    "alternative is taken at its best setting on each problem. Seeds are repeats of a problem. With fewer than five "
    "problems there is no test over problems. Mean ranks count a tie as the average of the tied ranks; failed and "
    "diverged runs come last.",
    "A score is 0 for the worst run of a problem and for runs that failed or diverged, and 1 for the best run; in "
    "between it is linear in the metric, or in its logarithm where the metric spans more than two decades. Its "
    "interval resamples seeds within each problem: it covers other seeds, not other problems.",
]


def reading(comparison: Comparison) -> list[str]:
    """One sentence or two for each rule."""
    best = "lowest" if comparison.ascending else "highest"
    return [
        "An alternative is one of the labelled configurations that are compared, with all the settings tried for it. "
        f"It is shown at its best setting: the one with the {best} mean of the final {comparison.metric} over its "
        "seeds. The number that chose the best setting flatters it a little, more so the more settings were tried.",
        "The 95% interval of a mean is a bootstrap percentile interval over the seeds. With five seeds it is too "
        "narrow: it contains the true mean about five times in six. sd is the standard deviation over seeds (dividing "
        "by n - 1): how much runs differ, not how uncertain the mean is. IQM is the mean of the middle half of the "
        "seeds.",
        "A setting with a run that diverged, failed or timed out has no mean and ranks after all others. "
        "Such runs are counted, never replaced by a number; in paired tests they are worse than any value.",
        "Equal seeds share initial parameters and batch order across alternatives, so tests are paired by seed: p is "
        "from a two-sided sign-flip test, or Wilcoxon's where a run failed or diverged. There is no test below five "
        f"seeds, and none can be significant below {SEEDS_NEEDED}. Holm's correction covers the number of "
        "alternatives, not the choice of their best settings.",
        "Effect size is the mean difference in standard deviations of the differences. The probability of improvement "
        "is that of a random run of one being better than a random run of the other; ties count half.",
        "Steps to the target are medians over all runs of a setting; a run that does not reach it counts as infinite. "
        "Seconds are the median time of a run; amortised seconds are an equal share of the time of runs that were "
        "trained together, which says nothing about a run alone, so there is no time to target in seconds.",
        "The expected best of k settings draws them without replacement; a dash where all k may have failed or "
        "diverged.",
        *(_PROBLEMS if comparison.problems else []),
    ]
