"""Helpers of the runner's tests: from the text of a spec to outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support.training import MakePlan, Train
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine.shards import train_alone
from xprun.runner.planning.plan import Plan, make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.workload import make_workload
from xprun.specs import read_document, read_spec


@pytest.fixture
def plan(write: Callable[[str], Path]) -> MakePlan:
    """Return a function from the text of a spec, and `--set` texts, to its plan."""

    def make(text: str, *sets: str) -> Plan:
        return make_plan(resolve(read_spec(read_document(write(text), sets)), REGISTRY), "cpu")

    return make


@pytest.fixture
def train(plan: MakePlan) -> Train:
    """Return a function that trains every run of a spec alone and gives their outcomes."""

    def run(text: str, *sets: str) -> list[Outcome]:
        runs = plan(text, *sets).runs
        return [train_alone(make_workload(REGISTRY, run, torch.device("cpu")), run) for run in runs]

    return run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch use one thread, as the engine does for small programs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
