"""Assembles a report: from the tables of a folder to everything that its pages show."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from xprun.reports.cells import Listing, counted
from xprun.reports.comparison import Comparison, read_comparison
from xprun.reports.evidence import baseline_listing, budget_listing, target_listing, width_listing
from xprun.reports.findings import cautions, counts, verdict
from xprun.reports.floor import floor_sentence
from xprun.reports.gallery import Picture, axes, pictures
from xprun.reports.listings import (
    Span,
    environment_listing,
    parameter_listing,
    ranking_listing,
    runs_listing,
    settings_listing,
    spans,
    troubled_listing,
)
from xprun.reports.reading import reading
from xprun.reports.statistics import judge, rank, summarise
from xprun.reports.tables import Tables, read_results


@dataclass(frozen=True)
class Page:
    """What both pages show, as text and pictures; a template only arranges it."""

    name: str
    title: str
    created: str
    verdict: str
    floor: str
    total: str
    counts: dict[str, int]
    cautions: list[str]
    comparison: Comparison
    ranking: Listing
    spans: list[Span | None]
    baseline: Listing
    targets: Listing
    widths: dict[str, Listing]
    budgets: Listing
    settings: Listing
    pictures: list[Picture]
    parameters: Listing
    troubled: Listing
    runs: Listing
    again: str
    reading: list[str]
    spec: str
    resolved: str
    models: str
    environment: Listing


def make_page(tables: Tables) -> Page:
    """The report on `tables`. `ReportError` where they cannot answer what is compared."""
    comparison = read_comparison(tables)
    judged = judge(tables.runs, comparison)
    summary = summarise(judged, comparison)
    ranking = rank(summary)
    return Page(
        **_heading(tables),
        **_findings(tables, comparison, judged, summary, ranking),
        comparison=comparison,
        ranking=ranking_listing(judged, ranking, comparison),
        spans=spans(judged, ranking),
        baseline=baseline_listing(judged, ranking, comparison),
        targets=target_listing(tables.history, judged, ranking, comparison),
        widths={key: width_listing(summary, key, comparison) for key in axes(summary, comparison)},
        budgets=budget_listing(summary, comparison),
        settings=settings_listing(summary, comparison),
        pictures=pictures(tables.history, judged, summary, ranking, comparison),
        parameters=parameter_listing(judged, ranking),
        troubled=troubled_listing(judged, comparison),
        runs=runs_listing(judged, comparison),
        again=_again(tables),
        reading=reading(comparison),
        spec=tables.spec,
        resolved=json.dumps(tables.resolved, indent=1) if tables.resolved else "",
        models=tables.models,
        environment=environment_listing(tables.environment),
    )


def read_verdict(folder: Path) -> str:
    """The verdict on a folder, from its `results.csv` and `resolved.json` alone."""
    tables = read_results(folder)
    comparison = read_comparison(tables)
    judged = judge(tables.runs, comparison)
    return verdict(judged, rank(summarise(judged, comparison)), comparison)


def _heading(tables: Tables) -> dict[str, Any]:
    name = str(tables.resolved.get("name") or "experiment")
    title = str(tables.resolved.get("title") or name)
    return {"name": name, "title": title, "created": str(tables.environment.get("created") or "")}


def _again(tables: Tables) -> str:
    """The command that trains one run again, in a folder of its own; RUN stands for its id."""
    command = tables.environment.get("command")
    return f"{command} --only RUN -o runs/RUN" if command else ""


def _findings(
    tables: Tables, comparison: Comparison, judged: pd.DataFrame, summary: pd.DataFrame, ranking: pd.DataFrame
) -> dict[str, Any]:
    return {
        "verdict": verdict(judged, ranking, comparison),
        "floor": floor_sentence(judged, comparison.metric),
        "total": counted(len(judged), "run"),
        "counts": counts(judged),
        "cautions": cautions(judged, summary, ranking, comparison, tables.resolved.get("runs")),
    }
