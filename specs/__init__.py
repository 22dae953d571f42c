"""The spec language: TOML in, typed alternatives with their sweeps out. Data only; nothing here runs anything."""

from xprun.specs.language.alternatives import Alternative, Axis
from xprun.specs.language.diagnostics import Diagnostic, SpecError
from xprun.specs.language.document import Document, read_document, read_text
from xprun.specs.language.expansion import Choice, Run, apart_from_seeds, count_grid, count_runs, expand
from xprun.specs.language.expectations import Expectation
from xprun.specs.language.parser import Spec, read_spec
from xprun.specs.language.schema import Compare, RunSettings

__all__ = [
    "Alternative",
    "Axis",
    "Choice",
    "Compare",
    "Diagnostic",
    "Document",
    "Expectation",
    "Run",
    "RunSettings",
    "Spec",
    "SpecError",
    "apart_from_seeds",
    "count_grid",
    "count_runs",
    "expand",
    "read_document",
    "read_spec",
    "read_text",
]
