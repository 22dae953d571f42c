"""Where the results come from: the models, the spec, and the environment in which it was run."""

import json

from xprun.reports.sections.blocks import Code, Facts, Folded, Part, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.text.report_tables import environment_listing


def models_section(analysis: Analysis) -> Section:
    """The layers of every model."""
    text = analysis.tables.models
    parts: list[Part] = [Folded("Layers, output shapes and numbers of parameters", [Code(text, "text")])]
    return Section("models", "Models", parts if text else [])


def spec_section(analysis: Analysis) -> Section:
    """The spec as it was written, and as xprun read it."""
    tables = analysis.tables
    parts: list[Part] = [Folded("As written (spec.toml)", [Code(tables.spec, "toml")])] if tables.spec else []
    if tables.spec and tables.resolved:
        parts.append(Folded("As resolved (resolved.json)", [Code(json.dumps(tables.resolved, indent=1), "json")]))
    return Section("spec", "Spec", parts)


def environment_section(analysis: Analysis) -> Section:
    """Every recorded fact about the machine, the packages and the source."""
    listing = environment_listing(analysis.tables.environment)
    return Section("environment", "Environment", [Facts(listing)] if listing.rows else [])
