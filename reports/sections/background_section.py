"""Where the results come from: the spec, and the environment in which it was run."""

import json
from typing import Any

from xprun.reports.presentation.formatting import NONE, Listing, listing, texts
from xprun.reports.sections.blocks import Code, Facts, Folded, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.text.ways_trained import ways_trained


def spec_section(analysis: Analysis) -> Section:
    """The spec as it was written, and as xprun read it."""
    tables = analysis.tables
    parts: list[Part] = [Folded("As written (spec.toml)", [Code(tables.spec, "toml")])] if tables.spec else []
    if tables.spec and tables.resolved:
        parts.append(Folded("As resolved (resolved.json)", [Code(json.dumps(tables.resolved, indent=1), "json")]))
    return Section("spec", "Spec", parts)


def environment_section(analysis: Analysis) -> Section:
    """How the runs were trained, and every recorded fact about the machine, the packages and the source."""
    listing = environment_listing(analysis.tables.environment)
    ways = ways_trained(analysis.tables.runs)
    facts: list[Part] = [Facts(listing)] if listing.rows else []
    return Section("environment", "Environment", [*([Text(" ".join(ways))] if ways else []), *facts])


def environment_listing(environment: dict[str, Any]) -> Listing:
    """Every recorded fact, nested ones under dotted names."""
    facts = list(_flat(environment))
    return listing([texts("", [name for name, _ in facts]), texts(" ", [value for _, value in facts])])


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in facts.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", _fact(value))]
    return found


def _fact(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_fact, value)) or NONE
    return NONE if value is None else str(value)
