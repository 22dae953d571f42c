"""The id of a run depends on what can change its numbers: those of the first version are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.specs import read_document, read_spec

SPECS = Path(__file__).parents[3] / "specs"
KNOWN = json.loads(Path(__file__).with_name("run_ids.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("spec", KNOWN)
def test_runs_that_were_stored_by_the_first_version_are_found(spec: str) -> None:
    plan = make_plan(resolve(read_spec(read_document(SPECS / f"{spec}.toml", ())), REGISTRY), "cpu")
    assert [run.id for run in plan.runs] == KNOWN[spec]
