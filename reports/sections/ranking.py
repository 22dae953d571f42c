"""What came out best: each alternative at its best setting."""

from typing import Any

from xprun.reports.cells import listed, plus_minus
from xprun.reports.dots import dots_figure
from xprun.reports.drawing import Plot, draw
from xprun.reports.floor import floor_sentence
from xprun.reports.listings import ranking_listing, settings_listing, spans
from xprun.reports.look import SHOWN
from xprun.reports.parts import Folded, Gallery, Grid, Part, Section, Text
from xprun.reports.study import Study


def ranking_section(study: Study) -> Section:
    """The ranking, what is known in closed form, and every setting."""
    comparison, judged, ranking = study.comparison, study.judged, study.ranking
    better = "lower" if comparison.ascending else "higher"
    caption = f"Each alternative at its best setting, by final {comparison.metric} ({better} is better)"
    places = spans(judged, ranking)
    table = ranking_listing(judged, ranking, comparison)
    parts: list[Part] = [Grid(table, caption, places if any(places) else [])]
    floor = floor_sentence(judged, comparison.metric)
    if floor:
        parts.append(Text(floor))
    parts.append(Gallery([draw(_dots(study), study)]))
    settings = settings_listing(study.summary, comparison)
    every = Folded(f"Every setting ({settings.total})", [Grid(settings, "Every setting, best first")])
    return Section("ranking", "Ranking", [*parts, every])


def _dots(study: Study) -> Plot:
    title = f"final {study.comparison.metric}"
    facts = study.ranking.set_index("alternative")
    cross = "\N{MULTIPLICATION SIGN}"
    bad = f" {cross} at the edge: runs that did not end well, so there is no mean." if study.best["bad"].any() else ""
    return Plot(
        name="final",
        title=title,
        caption=(
            f"The {title} of every seed, each alternative at its best setting: the line is the mean, the bar its 95% "
            f"interval.{bad}{study.omitted}"
        ),
        alt=listed([f"{name} {_told(facts.loc[name])}" for name in study.shown], SHOWN),
        figures={
            "": dots_figure(study.best, study.ranking, study.style, title, worst_low=not study.comparison.ascending)
        },
    )


def _told(facts: Any) -> str:
    if facts["bad"]:
        return f"{facts['bad']:.0f} of {facts['runs']:.0f} did not end well"
    return plus_minus(facts["mean"], facts["sd"])
