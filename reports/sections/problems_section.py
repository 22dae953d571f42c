"""Several problems, such as data sets: all of them together, and then each of its own."""

from collections.abc import Iterable
from functools import partial

import pandas as pd
from xprun.reports.figures.line_plots import share_figure
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.figures.rank_diagram import rank_figure
from xprun.reports.presentation.formatting import listed, value_text
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Folded, Gallery, Grid, Part, Section, Text
from xprun.reports.sections.guarded_sections import all_made
from xprun.reports.sections.ranking_section import ranking_alone
from xprun.reports.sections.scoreboard_section import diagnostics_section, scoreboard_section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import not_told_apart
from xprun.reports.stats.performance_profiles import performance_profile, score_profile
from xprun.reports.stats.scoreboard import titles_of
from xprun.reports.stats.steps_to_target import time_to_target
from xprun.reports.text.problem_findings import (
    Overall,
    averages_listing,
    overall_baseline_listing,
    overall_listing,
    standings_listing,
)
from xprun.runner.results.results_schema import STEPS

PROFILES = "profiles"  # what stands after the problems
DETAILED = 8  # problems whose plots are drawn
OPEN = ("ranking", "curves", "paths", "fits")  # what is not folded of a problem


def overall_sections(analysis: Analysis, overall: Overall) -> list[Section]:
    """The scoreboard and the diagnostics of listed problems, the ranking, against the baseline, and profiles."""
    makers = (scoreboard_section, diagnostics_section, _ranking, _baseline, _profiles)
    return [section for section in all_made(makers, analysis, overall) if section.parts]


def problem_section(analysis: Analysis, label: str, sections: Iterable[Section]) -> Section:
    """What the sections say of one problem: ranking, curves and paths at once, the rest when it is asked for."""
    parts: list[Part] = _told(analysis, label)
    for section in sections:
        open_at_once = section.id in OPEN
        parts += section.parts if open_at_once else [Folded(section.title, section.parts)]
    return Section(f"problem-{analysis.number}", label, parts)


def short_section(analysis: Analysis, label: str) -> Section:
    """The ranking on one problem, without any picture."""
    return Section(f"problem-{analysis.number}", label, [*_told(analysis, label), ranking_alone(analysis)])


def _told(analysis: Analysis, label: str) -> list[Part]:
    """What a listed problem is."""
    title = titles_of(analysis).get(label)
    return [Text(title)] if title else []


def _ranking(analysis: Analysis, overall: Overall) -> Section:
    caption = (
        f"Each alternative ({analysis.comparison.alternative_is}) over {len(analysis.problems)} problems, "
        f"at its chosen setting on each, by {analysis.measure}"
    )
    more = len(analysis.problems) - DETAILED
    by_problem = f"{_by_problem(analysis)}: mean and sd over {analysis.comparison.repeat}s (rank)"
    averages = Grid(averages_listing(overall), "Scores over all problems")
    parts: list[Part] = [
        Grid(overall_listing(analysis, overall), caption),
        Grid(standings_listing(analysis, overall), by_problem),
        Folded("Median and inter-quartile mean of the scores", [averages]),
    ]
    if more > 0:
        parts.append(
            Text(
                f"Plots are drawn for the first {DETAILED} problems only; the other {more} are "
                f"{'ranked without' if analysis.comparison.schema.by_problem else 'in the tables'}."
            )
        )
    return Section("ranking", "Ranking", parts)


def _by_problem(analysis: Analysis) -> str:
    measure = analysis.measure.capitalize()
    return measure if analysis.comparison.is_mixed else f"{measure} by problem"


def _baseline(analysis: Analysis, overall: Overall) -> Section:
    listing = overall_baseline_listing(analysis, overall)
    caption = "Difference from the baseline, problem by problem, each at its chosen setting"
    title = f"Against {analysis.comparison.baseline}"
    return Section("baseline", title, [Grid(listing, caption)] if listing.rows else [])


def _profiles(analysis: Analysis, overall: Overall) -> Section:
    plots = [_profile(analysis, overall)]
    if overall.is_tested and len(overall.names) > 2:
        plots.append(_ranks(analysis, overall))
    return Section(PROFILES, "Profiles and ranks", [Gallery([draw(plot, analysis) for plot in plots])])


def _ranks(analysis: Analysis, overall: Overall) -> Plot:
    means = overall.ranks.mean()
    told = "Bars join those that cannot be told apart (sign-flip test over the problems, corrected for all pairs)."
    mean = f"The mean rank of each alternative over {len(overall.ranks)} problems; 1 is best."
    bars = not_told_apart(overall.pairwise, overall.names)
    return Plot(
        name="ranks",
        title="mean ranks over the problems",
        caption=f"{mean} {told}",
        alt="Mean ranks: " + listed([f"{name} {rank:.2f}" for name, rank in means.items()], SHOWN),
        figures={"": partial(rank_figure, means, bars, analysis.style, "mean ranks")},
    )


def _profile(analysis: Analysis, overall: Overall) -> Plot:
    """Dolan and More's profile of what may be compared as a ratio; else how runs lie behind the best score."""
    costs, what = _costs(analysis, overall)
    timed = _are_timed(analysis)
    table = score_profile(overall.scores) if costs is None else performance_profile(costs)
    if costs is None:
        title, xlabel = "performance profile of the scores", "score behind the best"
        meaning = "Share of runs, all problems weighted equally, whose score is within a distance of the best."
    else:
        title, xlabel = f"performance profile by {what}", "slowdown vs. fastest" if timed else "factor of the best"
        meaning = (
            "Share of problems solved within a factor of the fastest alternative's steps to the target."
            if timed
            else f"Share of problems on which the {what} is within a factor of the best."
        )
    firsts = table[table["x"] <= (0 if costs is None else 1)].groupby("alternative")["share"].max()
    names = [name for name in analysis.order if name in analysis.style]
    return Plot(
        name="profile",
        title=title,
        caption=f"{meaning} Higher is better; failed and diverged runs never count.{analysis.omitted}",
        alt="At the best: " + listed([f"{name} {value_text(round(firsts[name] * 100, 1))}%" for name in names], SHOWN),
        figures={"": partial(share_figure, table, analysis.style, title, xlabel, decades=costs is not None)},
        alternatives=table["alternative"],
    )


def _costs(analysis: Analysis, overall: Overall) -> tuple[pd.DataFrame | None, str]:
    """What is compared as a ratio: median steps to the target, or a positive metric of which less is better."""
    if _are_timed(analysis):
        steps = {label: _steps(part) for label, part in analysis.problems.items()}
        return pd.DataFrame.from_dict(steps, orient="index").reindex(columns=list(overall.ranks)), "steps to the target"
    means = {label: part.ranking.set_index("alternative")["mean"] for label, part in analysis.problems.items()}
    table = pd.DataFrame.from_dict(means, orient="index").reindex(columns=list(overall.ranks))
    less_is_better = all(part.comparison.ascending for part in analysis.problems.values())
    if less_is_better and not (table <= 0).any(axis=None):  # NaN, where an alternative failed, is not
        return table, analysis.measure
    return None, ""


def _are_timed(analysis: Analysis) -> bool:
    """Whether there is a target on each problem."""
    return all(part.comparison.target is not None for part in analysis.problems.values())


def _steps(analysis: Analysis) -> pd.Series:
    steps = time_to_target(analysis.tables.history, analysis.finals, analysis.comparison)[STEPS]
    return steps.loc[analysis.ranking.index].set_axis(analysis.ranking["alternative"])
