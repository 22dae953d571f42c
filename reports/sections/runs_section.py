"""All runs, failed and diverged ones first."""

import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.data.row_keys import RUN_ID
from xprun.reports.presentation.formatting import Listing, exact, key_columns, listing, numbers, texts
from xprun.reports.sections.blocks import Folded, Grid, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import REASON, SECONDS, SEED, STAGE, STATUS, STATUSES, STEPS

RUNS_SHOWN = 5000
CELLS_SHOWN = 60_000  # some three megabytes of a page
TROUBLED_SHOWN = 50


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
    ill = Grid(troubled, f"Runs that {analysis.trouble}: {troubled.total} of {runs.total}", prose=True)
    first = ill if troubled.rows else Text("No run failed or diverged.")
    return Section("runs", "Runs", [first, Folded(f"Every run ({runs.total})", every)])


def troubled_listing(judged: pd.DataFrame, comparison: Comparison) -> Listing:
    """Return the failed and diverged runs, in the order of the table."""
    runs = judged[judged["bad"]]
    columns = [
        texts("run", runs[RUN_ID]),
        texts("alternative", runs["alternative"]),
        *key_columns(runs, comparison.keys),
        exact("seed", runs[SEED]),
        texts("status", runs[STATUS]),
        exact("steps", runs[STEPS]),
        texts("reason", runs[REASON]),
    ]
    return listing(columns, TROUBLED_SHOWN)


def runs_listing(judged: pd.DataFrame, comparison: Comparison) -> Listing:
    """Every run, in the order of the table."""
    measured = comparison.schema.names("metric", "parameter")
    columns = [
        texts("run", judged[RUN_ID]),
        texts("alternative", judged["alternative"]),
        *key_columns(judged, comparison.keys),
        exact("seed", judged[SEED]),
        *([texts("stage", judged[STAGE])] if judged[STAGE].nunique() > 1 else []),
        *(exact(name, judged[name]) for name in comparison.repeats),
        texts("status", judged[STATUS]),
        exact("steps", judged[STEPS]),
        numbers("seconds", judged[SECONDS], digits=3),
        *(numbers(name.replace(".", " ", 1), judged[name]) for name in measured),
    ]
    return listing(columns, min(RUNS_SHOWN, CELLS_SHOWN // len(columns)))
