"""How to read a report: the rules behind its numbers, in a few sentences."""

from xprun.reports.comparison import Comparison


def reading(comparison: Comparison) -> list[str]:
    """One sentence or two for each rule."""
    best = "lowest" if comparison.ascending else "highest"
    return [
        f"Each alternative stands at its best setting: the one with the {best} mean of the final "
        f"{comparison.metric} over its seeds. Choosing the best of several by the number that is then "
        "reported flatters it a little, and more so the more settings were tried.",
        "sd is the standard deviation over seeds (dividing by n - 1). It describes how much runs differ; "
        "it is not the uncertainty of the mean. Low and high are the lowest and the highest seed.",
        "A setting with a run that diverged, failed or timed out has no mean and comes after all the others. "
        "Such runs are counted and never replaced by a number.",
        "Seeds share their initial parameters and their order of batches across alternatives, so tests pair them. "
        "With fewer than five seeds none is made; p-values are not corrected for choosing the best setting.",
        "Seconds are the median of a run's own time; runs trained together share their machine, so compare with care.",
    ]
