"""What came out best: each alternative at its best setting."""

from typing import Any

from xprun.reports.figures.interval_dots import dots_figure
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import listed, plus_minus
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Folded, Gallery, Grid, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import floor_sentence
from xprun.reports.text.findings import bad_runs
from xprun.reports.text.report_tables import ranking_listing, settings_listing, spans


def ranking_section(analysis: Analysis) -> Section:
    """The ranking, what is known in closed form, and every setting."""
    comparison, judged, ranking = analysis.comparison, analysis.judged, analysis.ranking
    better = "lower" if comparison.ascending else "higher"
    caption = (
        f"Each alternative (a labelled {' and '.join(comparison.by)}) at its best setting, "
        f"by final {comparison.metric} ({better} is better)"
    )
    places = spans(judged, ranking)
    table = ranking_listing(judged, ranking, comparison)
    parts: list[Part] = [Grid(table, caption, places if any(places) else [])]
    floor = floor_sentence(judged, comparison.metric)
    if floor:
        parts.append(Text(floor))
    parts.append(Gallery([draw(_dots(analysis), analysis)]))
    settings = settings_listing(analysis.summary, comparison)
    every = Folded(f"Every setting ({settings.total})", [Grid(settings, "Every setting, best first")])
    return Section("ranking", "Ranking", [*parts, every])


def _dots(analysis: Analysis) -> Plot:
    title = f"final {analysis.comparison.metric}"
    facts = analysis.ranking.set_index("alternative")
    cross = "\N{MULTIPLICATION SIGN}"
    bad = (
        f" {cross} at the edge: runs that failed or diverged, so there is no mean."
        if analysis.best["bad"].any()
        else ""
    )
    return Plot(
        name="final",
        title=title,
        caption=(
            f"The {title} of every seed, each alternative at its best setting. Line: the mean; bar: its 95% "
            f"interval.{bad}{analysis.omitted}"
        ),
        alt=listed([f"{name} {_told(facts.loc[name])}" for name in analysis.shown], SHOWN),
        figures={
            "": dots_figure(
                analysis.best, analysis.ranking, analysis.style, title, worst_low=not analysis.comparison.ascending
            )
        },
    )


def _told(facts: Any) -> str:
    if facts["bad"]:
        return bad_runs(facts)
    return plus_minus(facts["mean"], facts["sd"])
