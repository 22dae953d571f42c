"""The spec language: TOML in, typed alternatives with their sweeps out. Data only; nothing here runs anything."""

from xprun.specs.alternatives import Alternative, Axis
from xprun.specs.document import Document, read_document, read_text
from xprun.specs.errors import Problem, SpecError
from xprun.specs.expand import Choice, Run, count_grid, count_runs, expand
from xprun.specs.expect import Expectation
from xprun.specs.models import Compare, RunSettings
from xprun.specs.read import Spec, read_spec

__all__ = [
    "Alternative",
    "Axis",
    "Choice",
    "Compare",
    "Document",
    "Expectation",
    "Problem",
    "Run",
    "RunSettings",
    "Spec",
    "SpecError",
    "count_grid",
    "count_runs",
    "expand",
    "read_document",
    "read_spec",
    "read_text",
]
