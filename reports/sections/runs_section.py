"""All runs, failed and diverged ones first."""

from xprun.reports.sections.blocks import Folded, Grid, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.text.report_tables import runs_listing, troubled_listing
from xprun.runner.results.results_schema import STATUSES


def runs_section(analysis: Analysis) -> Section:
    """What failed, and every run with the command that trains it again."""
    troubled, runs = (
        troubled_listing(analysis.judged, analysis.comparison),
        runs_listing(analysis.judged, analysis.comparison),
    )
    command = analysis.tables.environment.get("command")
    again = f"{command} --only RUN -o runs/RUN" if command else ""  # in a folder of its own
    every: list[Part] = [Grid(runs, "Every run, in the order of results.csv", command=again, statuses=STATUSES)]
    if again:
        every.insert(0, Text(f"To run one again: {again}"))
    ill = Grid(troubled, f"Failed or diverged: {troubled.total} of {runs.total} runs", prose=True)
    first = ill if troubled.rows else Text("No run failed or diverged.")
    return Section("runs", "Runs", [first, Folded(f"Every run ({runs.total})", every)])
