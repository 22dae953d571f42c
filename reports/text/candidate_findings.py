"""What is said of the candidates of a bench, or of any spec that names some: where they stand, what they pass."""

from dataclasses import asdict
from typing import Any

from xprun.reports.presentation.formatting import counted, listed
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import Pairwise
from xprun.reports.stats.scoreboard import Standing, parts_of, standings
from xprun.reports.text.problem_findings import take_together
from xprun.runner.results.results_schema import CONFIRM, SEED, STAGE

FEW = 2  # candidates of which the first screen says all


def candidate_findings(analysis: Analysis, candidates: list[str]) -> list[dict[str, Any]]:
    """Return for each candidate its standing as plain values, and as `text` the lines that tell it."""
    table, pairwise = standings(analysis), _pairwise(analysis)
    return [
        {**as_values(one), "text": "\n".join(_lines(one, table, pairwise, analysis))}
        for one in table
        if one.name in candidates
    ]


def candidate_standings(analysis: Analysis) -> list[tuple[str, str]]:
    """Return each of the candidates, the best first, and where it stands: a line each for the first screen of a page.

    Of more than a few the table and the diagram of the ranking say from whom they are told apart.
    """
    candidates = analysis.comparison.candidates
    if not candidates:
        return []
    table, pairwise = standings(analysis), _pairwise(analysis)
    found = []
    for one in table:
        if one.name in candidates:
            passes = f", {words}" if (words := _passes(one)) else ""
            equals = f"; {_equals(one, table, pairwise)}" if len(candidates) <= FEW else ""
            found.append((one.name, f"rank {one.rank} of {len(table)}{passes}{equals}."))
    return found


def _pairwise(analysis: Analysis) -> Pairwise:
    """The pairs over all problems, or on the one."""
    return take_together(analysis).pairwise if analysis.problems else analysis.pairwise


def _passes(one: Standing) -> str:
    """How many diagnostics an alternative passes; nothing where there are none."""
    tests = len(one.passed) + len(one.failed)
    return f"passes {len(one.passed)} of {counted(tests, 'diagnostic')}" if tests else ""


def as_values(standing: Standing) -> dict[str, Any]:
    """Return a standing as JSON has it; None for a score at the defaults that is not known."""
    found = asdict(standing)
    default = found.pop("default")
    return {
        **found,
        "untuned_score": default if default == default else None,
        "passes": len(standing.passed),
        "fails": len(standing.failed),
    }


def _lines(one: Standing, table: list[Standing], pairwise: Pairwise, analysis: Analysis) -> list[str]:
    problems = parts_of(analysis)
    seeds = analysis.judged[analysis.judged[STAGE] == CONFIRM][SEED].nunique()
    tuned = f", tuned with {counted(one.tried, 'setting')} each" if one.tried > 1 else ""
    confirmed = f", confirmed on {counted(seeds, 'fresh seed')}" if seeds else ""
    where = f"{one.name} on {counted(len(problems), 'problem')}{tuned}{confirmed}"
    lines = [f"{where}: rank {one.rank} of {len(table)}{_about(one, table, pairwise)}"]
    if passes := _passes(one):
        fails = f"; fails: {', '.join(one.failed)}" if one.failed else ""
        lines.append(f"  {passes}{fails}")
    if one.diverged:
        lines.append(f"  no run of it came to its end on {listed(one.diverged)}")
    return lines


def _about(one: Standing, table: list[Standing], pairwise: Pairwise) -> str:
    """Return who is ahead, and from whom it cannot be told apart."""
    if len(table) == 1:
        return ""
    ahead = [other.name for other in table if other.rank < one.rank]
    behind = f"behind {listed(ahead)}" if ahead else "the best mean rank"
    return f" ({behind}; {_equals(one, table, pairwise)})"


def _equals(one: Standing, table: list[Standing], pairwise: Pairwise) -> str:
    others = [other.name for other in table if other is not one]
    level = [name for name in others if name in pairwise.names and not _told_apart(pairwise, one.name, name)]
    if not level:
        return "told apart from every other"
    return f"cannot be told apart from {'any other' if len(level) == len(others) else listed(level)}"


def _told_apart(pairwise: Pairwise, one: str, other: str) -> bool:
    return one in pairwise.names and pairwise.are_told_apart(one, other)
