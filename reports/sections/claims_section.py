"""What the spec claims of its results, and whether it holds."""

import pandas as pd
from xprun.reports.presentation.formatting import Listing, counted, listing, texts
from xprun.reports.sections.blocks import Folded, Grid, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import CLAIM, DOES_NOT_HOLD, FOUND, HOLDS, NOT_JUDGED, VERDICT

WORDS = {HOLDS: "holds", DOES_NOT_HOLD: "does not hold"}


def claims_section(analysis: Analysis) -> Section:
    """The verdict on each claim; folded where all of them hold."""
    claims = analysis.tables.claims
    if claims.empty:
        return Section("claims", "Claims", [])
    table: Part = Grid(claims_listing(claims), "Claims of the spec, and what the runs gave", prose=True)
    if (claims[VERDICT] == HOLDS).all():
        table = Folded(counted(len(claims), "claim"), [table])
    return Section("claims", "Claims", [Text(claims_sentence(claims)), table])


def claims_sentence(claims: pd.DataFrame) -> str:
    """How many of the spec's claims hold, in a sentence."""
    counts = claims[VERDICT].value_counts()
    held, unjudged = counts.get(HOLDS, 0), counts.get(NOT_JUDGED, 0)
    if held == len(claims):
        return "The claim of the spec holds." if held == 1 else f"All {held} claims of the spec hold."
    failed = len(claims) - held - unjudged
    lost = f"; {failed} {'does' if failed == 1 else 'do'} not" if failed else ""
    left = f"; {unjudged} cannot be judged, because a run failed" if unjudged else ""
    return f"{held} of {counted(len(claims), 'claim')} of the spec {'holds' if held == 1 else 'hold'}{lost}{left}."


def claims_listing(claims: pd.DataFrame) -> Listing:
    """One row a claim: those that do not hold first, then in the order of the spec."""
    rows = claims.assign(held=claims[VERDICT] == HOLDS).sort_values("held", kind="stable")
    words = rows[VERDICT].map(lambda word: WORDS.get(word, word))
    return listing([texts("verdict", words), texts("claim", rows[CLAIM]), texts("found", rows[FOUND])])
