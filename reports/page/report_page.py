"""Assembles a report: from the tables of a folder to everything that its pages show."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from xprun.reports.data.results_folder import Tables
from xprun.reports.data.row_keys import distinct_runs
from xprun.reports.figures.drawing_processes import helped
from xprun.reports.figures.plot_files import Entry, Picture
from xprun.reports.presentation.formats import DEFAULT
from xprun.reports.presentation.formatting import counted
from xprun.reports.presentation.style import theme
from xprun.reports.sections import COMPARED, LEADING, SHARED
from xprun.reports.sections.blocks import Grid, Section
from xprun.reports.sections.guarded_sections import all_made
from xprun.reports.sections.plugin_plots_section import PluginPlot, plugin_plot_sections
from xprun.reports.sections.problems_section import DETAILED, PROFILES, overall_sections, problem_section, short_section
from xprun.reports.sections.summary_table import summary_table
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.text.candidate_findings import candidate_standings
from xprun.reports.text.conclusion import Conclusion, conclude
from xprun.reports.text.findings import cautions, counts, unfinished
from xprun.reports.text.folder_verdict import verdict_of
from xprun.reports.text.problem_findings import absent_problems, cautions_over, take_together
from xprun.runner.results.results_schema import ENDED_WELL

HELPED = 10**7  # rows of a history up to which another process draws, too: it has the tables once more


@dataclass(frozen=True)
class Page:
    """What all pages show: the answer first, then the sections that bear it out.

    `standings`: where the alternatives stand that the report is about. `summary`: what differs in practice;
    `next_command`: what the conclusion advises, as a command, or empty where the command of the folder is not known.
    `verdict`: the conclusion with all of its numbers.
    """

    name: str
    title: str
    created: str
    conclusion: Conclusion
    standings: list[tuple[str, str]]
    summary: Grid
    next_command: str
    verdict: str
    total: str
    counts: dict[str, int]
    cautions: list[str]
    sections: list[Section]
    ended_well: tuple[str, ...] = ENDED_WELL

    @property
    def pictures(self) -> list[Picture]:
        """Every picture of the page, in order."""
        return [picture for section in self.sections for picture in section.pictures]

    @property
    def legend(self) -> list[Entry]:
        """The one legend of the page: every alternative that a picture shows."""
        entries = {entry.number: entry for picture in self.pictures for entry in picture.legend}
        return [entries[number] for number in sorted(entries)]


def make_page(tables: Tables, formats: tuple[str, ...] = DEFAULT, plots: Iterable[PluginPlot] = ()) -> Page:
    """The report on `tables`, with these plots beside its own. `ReportError` where `tables` lack what is compared."""
    analysis = make_analysis(tables, formats)
    drawn = partial(_drawn, analysis)
    with theme(), helped(drawn) if len(tables.history) <= HELPED else nullcontext():
        sections = [
            *all_made(LEADING, analysis),
            *drawn(),
            *plugin_plot_sections(analysis, plots),
            *all_made(SHARED, analysis),
        ]
    return Page(
        **_heading(analysis), **_findings(analysis), sections=[section for section in sections if section.parts]
    )


def _drawn(analysis: Analysis) -> list[Section]:
    """The sections with pictures of ours."""
    return list(_compared(analysis))


def _compared(analysis: Analysis) -> Iterator[Section]:
    """What is compared: on the one problem, or on all together and then on each."""
    if not analysis.problems:
        yield from all_made(COMPARED, analysis)
        return
    overall = overall_sections(analysis, take_together(analysis))
    yield from (section for section in overall if section.id != PROFILES)
    problems = list(analysis.problems.items())
    for label, part in problems[:DETAILED]:
        yield problem_section(part, label, [section for section in all_made(COMPARED, part) if section.parts])
    if analysis.comparison.schema.by_problem:
        yield from (short_section(part, label) for label, part in problems[DETAILED:])
    yield from (section for section in overall if section.id == PROFILES)


def _heading(analysis: Analysis) -> dict[str, Any]:
    resolved, environment = analysis.tables.resolved, analysis.tables.environment
    name = str(resolved.get("name") or "experiment")
    return {
        "name": name,
        "title": str(resolved.get("title") or name),
        "created": str(environment.get("created") or ""),
    }


def _findings(analysis: Analysis) -> dict[str, Any]:
    runs = distinct_runs(analysis.judged)
    planned = max(len(runs), analysis.tables.schema.planned)
    missing = planned - len(runs)
    overall = take_together(analysis) if analysis.problems else None
    conclusion = conclude(analysis, overall, missing)
    return {
        "conclusion": conclusion,
        "standings": candidate_standings(analysis),
        "summary": summary_table(analysis, overall),
        "next_command": _next_command(analysis, conclusion),
        "verdict": verdict_of(analysis),
        "total": f"{len(runs)} of {counted(planned, 'run')}" if missing else counted(planned, "run"),
        "counts": counts(runs) | ({"missing": missing} if missing else {}),
        "cautions": unfinished(runs, planned) + _cautions(analysis),
    }


def _next_command(analysis: Analysis, conclusion: Conclusion) -> str:
    command = str(analysis.tables.environment.get("command") or "")
    return f"{command} {conclusion.options}".strip() if command else ""


def _cautions(analysis: Analysis) -> list[str]:
    if analysis.problems:
        return cautions_over(analysis)
    return absent_problems(analysis) + cautions(analysis)
