"""How to read a report: the rules behind its numbers, in a few sentences."""

from xprun.reports.data.compared import Comparison
from xprun.reports.sections.blocks import Section, Sentences
from xprun.reports.stats.analysis import Analysis


def reading_section(analysis: Analysis) -> Section:
    """The rules behind the numbers."""
    return Section("reading", "How to read this page", [Sentences(reading(analysis.comparison))])


_PROBLEMS = [
    "A problem is what the sections make of it that are not compared, such as a data set; an alternative stands at its "
    "best setting on each. Seeds are no problems: they repeat one. With fewer than five problems none is tested over "
    "problems. Ranks are means where several are equal; what did not end well shares the last ones.",
    "A score lies between 0, the worst run of a problem, or one that did not end well, and 1, the best run; between "
    "them it follows the metric, or its logarithm where that spreads over more than two decades. Its interval draws "
    "seeds anew within each problem: it says what other seeds would change, not what other problems would.",
]


def reading(comparison: Comparison) -> list[str]:
    """One sentence or two for each rule."""
    best = "lowest" if comparison.ascending else "highest"
    return [
        f"Each alternative stands at its best setting: the one with the {best} mean of the final "
        f"{comparison.metric} over its seeds. Choosing the best of several by the number that is then "
        "reported flatters it a little, and more so the more settings were tried.",
        "The 95% interval of a mean is a bootstrap percentile interval over the seeds. With five seeds it is too "
        "narrow: it holds the true mean about five times in six. sd is the standard deviation over seeds (dividing by "
        "n - 1): how much runs differ, not how uncertain the mean is. IQM is the mean of the middle half of the seeds.",
        "A setting with a run that diverged, failed or timed out has no mean and comes after all the others. "
        "Such runs are counted and never replaced by a number; in pairs they are worse than any value.",
        "Seeds share their initial parameters and their order of batches across alternatives, so tests pair them: p is "
        "a two-sided sign-flip test, Wilcoxon's where a run did not end well. With fewer than five seeds none is made. "
        "Holm's correction is for the number of alternatives, none for choosing each at its best setting.",
        "Effect size is the mean difference in standard deviations of the differences. The chance to be better is that "
        "of a run picked at random against one of the other's; ties count half.",
        "Steps to the target are medians over all runs of a setting, infinite for a run that does not reach it. "
        "Seconds are the median of a run's own time; amortised ones are an equal share of the time of runs that were "
        "trained together. That says nothing about one run alone, so it gives no time to target in seconds.",
        "Settings are drawn without replacement for the expected best of k; a dash where all k may have ended badly.",
        *(_PROBLEMS if comparison.problems else []),
    ]
