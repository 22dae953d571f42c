"""The scoreboard over the problems that a spec lists, the diagnostics that are passed or failed, and a map of both."""

import math
from functools import partial

from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.figures.problem_map import map_figure, mean_scores
from xprun.reports.presentation.formatting import NONE, Column, Listing, counted, listing, marked, texts
from xprun.reports.sections.blocks import Gallery, Grid, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.scoreboard import MOST, Standing, diagnostics, standings, titles_of
from xprun.reports.text.problem_findings import Overall

PASSED, FAILED = "passed", "failed"


def scoreboard_section(analysis: Analysis, overall: Overall) -> Section:
    """Rank, wins and losses of each alternative over the listed problems, what tuning is worth, and the map."""
    if not analysis.comparison.schema.by_problem:
        return Section("scoreboard", "Scoreboard", [])
    caption = (
        "Wins, ties and losses count the pairs of a problem and another alternative: found better there, not told "
        "apart, found worse. A score is 0 for the worst run of a problem and 1 for the best. Untuned: the score at "
        "the defaults of what was swept, on the seeds of the search"
    )
    parts: list[Part] = [
        Grid(scoreboard_listing(analysis), caption),
        Gallery([draw(_map(analysis, overall), analysis)]),
    ]
    return Section("scoreboard", "Scoreboard", parts)


def diagnostics_section(analysis: Analysis, overall: Overall) -> Section:
    """Which diagnostics each alternative passes, and what passing means."""
    shares = diagnostics(analysis)
    if not shares:
        return Section("diagnostics", "Diagnostics", [])
    board = standings(analysis)
    passed = [f"{one.name} passes {len(one.passed)}" for one in board]
    told = f"Of {counted(len(shares), 'diagnostic')}: {', '.join(passed)}."
    caption = (
        f"A diagnostic is passed where more than {MOST:.0%} of the runs at the chosen setting end at its target or "
        "beyond; else the share that does"
    )
    names = [one.name for one in board]
    listed = diagnostics_listing(shares, names, titles_of(analysis))
    return Section("diagnostics", "Diagnostics", [Text(told), Grid(listed, caption, prose=True)])


def scoreboard_listing(analysis: Analysis) -> Listing:
    """One row an alternative, the best first."""
    rows = standings(analysis)
    of = [len(one.passed) + len(one.failed) for one in rows]
    columns = [
        texts("alternative", marked([one.name for one in rows], analysis.comparison.baseline)),
        Column("rank", [str(one.rank) for one in rows], number=True),
        Column("mean rank", [f"{one.mean_rank:.2f}" for one in rows], number=True),
        Column("wins, ties, losses", [f"{one.wins}, {one.ties}, {one.losses}" for one in rows], number=True),
        Column("score", [f"{one.score:.2f}" for one in rows], number=True),
        *([Column("untuned", _defaults(rows), number=True)] if any(one.tried > 1 for one in rows) else []),
        *([Column("passes", [f"{len(r.passed)} of {n}" for r, n in zip(rows, of, strict=True)])] if any(of) else []),
    ]
    return listing(columns)


def _defaults(rows: list[Standing]) -> list[str]:
    return [NONE if math.isnan(one.default) else f"{one.default:.2f}" for one in rows]


def diagnostics_listing(shares: dict[str, dict[str, float]], names: list[str], titles: dict[str, str]) -> Listing:
    """One row a diagnostic: what it looks at, by its title, and who passes it, by the shares of the runs that do."""
    columns = [
        texts("diagnostic", shares),
        *([texts("looks at", [titles.get(label, "") for label in shares])] if any(titles.values()) else []),
        *(Column(name, [_verdict(found[name]) for found in shares.values()]) for name in names),
    ]
    return listing(columns)


def _verdict(share: float) -> str:
    return PASSED if share > MOST else f"{FAILED} ({share:.0%})" if share else FAILED


def _map(analysis: Analysis, overall: Overall) -> Plot:
    names = overall.names
    scores = mean_scores(overall.scores, list(analysis.problems), names)
    title = "score and rank on each problem"
    return Plot(
        name="map",
        title=title,
        caption="Brighter is better: 1 is the best run of a problem, 0 the worst or a failed one. Numbers are ranks.",
        alt="Mean scores: " + ", ".join(f"{name} {scores[name].mean():.2f}" for name in names),
        figures={"": partial(map_figure, scores, overall.ranks[names], title)},
    )
