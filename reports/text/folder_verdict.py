"""The conclusion and the verdict: the first words of a report, which the command line prints, too."""

from pathlib import Path

from xprun.reports.data.results_folder import read_results
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.text.conclusion import conclude
from xprun.reports.text.findings import verdict
from xprun.reports.text.problem_findings import on_one_problem, take_together, verdict_over


def read_verdict(folder: Path) -> str:
    """The verdict on a folder, from its `results.csv` and what is told beside it."""
    return verdict_of(make_analysis(read_results(folder)))


def read_conclusion(folder: Path) -> str:
    """The conclusion on a folder in a short line, `Winner: ...`, and below it the verdict with all numbers."""
    analysis = make_analysis(read_results(folder))
    found = conclude(analysis, take_together(analysis) if analysis.problems else None)
    badge = f"{found.badge[:1].upper()}{found.badge[1:]}: "
    return f"{badge}{found.sentence}\n{verdict_of(analysis).removeprefix(badge)}"


def verdict_of(analysis: Analysis) -> str:
    """The verdict on one problem, or on all of them together."""
    if analysis.problems:
        return verdict_over(analysis, take_together(analysis))
    return f"{on_one_problem(analysis)}{verdict(analysis)}"
