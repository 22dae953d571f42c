"""Every alternative against the baseline."""

import pandas as pd
from xprun.reports.presentation.formatting import (
    Column,
    Listing,
    exact,
    intervals,
    listing,
    numbers,
    p_texts,
    percent,
    texts,
)
from xprun.reports.sections.blocks import Grid, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import BLOCKS_NEEDED, Pair
from xprun.reports.text.findings import finding_text


def baseline_section(analysis: Analysis) -> Section:
    """Differences from the baseline, with intervals and tests; empty without a baseline."""
    baseline = analysis.comparison.baseline
    if baseline not in analysis.pairwise.names or len(analysis.ranking) < 2:
        return Section("baseline", f"Against {baseline}", [])
    pairs, repeat = analysis.pairwise.against(baseline), analysis.comparison.repeat
    caption = f"Difference from the baseline, {repeat} by {repeat}{_note(analysis)}"
    return Section("baseline", f"Against {baseline}", [Grid(baseline_listing(pairs, analysis), caption)])


def baseline_listing(pairs: list[Pair], analysis: Analysis) -> Listing:
    """One row an alternative: its difference from the baseline, and what it amounts to."""
    repeat = analysis.comparison.repeat
    table = pd.DataFrame([vars(pair) for pair in pairs])
    tested = any(pair.tested for pair in pairs)
    like = [table[name] for name in ("difference", "low", "high")]
    columns = [
        texts("alternative", table["first"]),
        numbers("difference", table["difference"], like=like),
        intervals("95% interval" if tested else f"lowest to highest {repeat}", table["low"], table["high"], like=like),
        numbers("effect size", table["effect"], digits=3),
        Column("probability of improvement", percent(table["improvement"]), number=True),
        exact(f"{repeat}s", table["n"]),
        *([Column("p", p_texts(table["adjusted"]), number=True)] if tested else []),
        texts("finding", [finding_text(pair, repeat) for pair in pairs]),
    ]
    return listing(columns)


def _note(analysis: Analysis) -> str:
    if analysis.exploratory:
        return "; exploratory, since settings were chosen on these runs: nothing is tested"
    if analysis.blocks < BLOCKS_NEEDED:
        return f"; {analysis.blocks} cannot show a difference, run at least {BLOCKS_NEEDED}"
    pairs = len(analysis.ranking) * (len(analysis.ranking) - 1) // 2 * analysis.side_by_side
    several = f" on {analysis.side_by_side} problems" if analysis.side_by_side > 1 else ""
    return f"; p is corrected for all {pairs} pairs of alternatives{several}" if pairs > 1 else ""
