"""What came out best: each alternative at its best setting."""

from xprun.reports.floor import floor_sentence
from xprun.reports.listings import ranking_listing, settings_listing, spans
from xprun.reports.parts import Folded, Grid, Part, Section, Text
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
    settings = settings_listing(study.summary, comparison)
    every = Folded(f"Every setting ({settings.total})", [Grid(settings, "Every setting, best first")])
    return Section("ranking", "Ranking", [*parts, every])
