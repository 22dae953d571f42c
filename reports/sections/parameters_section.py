"""What tiny models have learnt, as numbers."""

import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.presentation.formatting import Listing, listing, numbers, texts
from xprun.reports.sections.blocks import Grid, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import reference_value
from xprun.runner.results.results_schema import parameter_name

PARAMETERS_SHOWN = 8


def parameters_section(analysis: Analysis) -> Section:
    """The final parameters; empty where models have many."""
    listing = parameter_listing(analysis.finals, analysis.ranking, analysis.comparison)
    caption = f"Mean and sd over the seeds, each alternative{analysis.at_best}"
    return Section("parameters", "Final parameters", [Grid(listing, caption)] if listing.rows else [])


def parameter_listing(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> Listing:
    """The final parameters of tiny models: mean and sd over the seeds, at each alternative's best setting.

    The last row holds those of least squares, where they are known.
    """
    names = comparison.schema.names("parameter")
    if not 0 < len(names) <= PARAMETERS_SHOWN:
        return listing([])
    groups = judged.groupby("setting")[names]
    mean, sd = groups.mean().loc[ranking.index], groups.std().loc[ranking.index]
    rows = list(ranking["alternative"])
    if None not in (exactly := [reference_value(judged, name) for name in names]):
        mean.loc[-1], sd.loc[-1] = exactly, float("nan")
        rows.append("least squares")
    pairs = [(parameter_name(name), mean[name], sd[name]) for name in names]
    columns = [column for name, m, s in pairs for column in (numbers(name, m), numbers(f"{name} sd", s))]
    return listing([texts("alternative", rows), *columns])
