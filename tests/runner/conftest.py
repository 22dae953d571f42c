"""Helpers of the runner's tests: from the text of a spec to outcomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from xprun.plugins.registry import REGISTRY
from xprun.runner.alone import train_alone
from xprun.runner.check import resolve
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Plan, make_plan
from xprun.runner.workload import make_workload
from xprun.specs import read_document, read_spec

Train = Callable[..., list[Outcome]]
MakePlan = Callable[..., Plan]


@pytest.fixture
def plan(write: Callable[[str], Path]) -> MakePlan:
    """Return a function from the text of a spec, and `--set` texts, to its plan."""

    def make(text: str, *sets: str) -> Plan:
        return make_plan(resolve(read_spec(read_document(write(text), sets)), REGISTRY), REGISTRY, "cpu")

    return make


@pytest.fixture
def train(plan: MakePlan) -> Train:
    """Return a function that trains every run of a spec alone and gives their outcomes."""

    def run(text: str, *sets: str) -> list[Outcome]:
        runs = plan(text, *sets).runs
        return [train_alone(make_workload(REGISTRY, run, torch.device("cpu")), run) for run in runs]

    return run
