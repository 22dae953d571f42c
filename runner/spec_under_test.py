"""A spec under test: its runs and claims by name, which takes no torch, and their results, which does."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xprun.plugins.project_plugins import first_mention, project_plugins
from xprun.runner.launchers.registration import open_registry
from xprun.runner.planning.claimed_runs import family_of, needs_confirmation, selected, staged
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.backend_checks import require_frameworks
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.run_columns import full_name, sections_that_differ
from xprun.runner.workload.checks_with_torch import check_with_torch
from xprun.specs import Expectation, read_document, read_spec
from xprun.specs.language.diagnostics import printable

if TYPE_CHECKING:
    from xprun.runner.outputs.claim_verdicts import Verdict
    from xprun.runner.results.outcome import Outcome


@dataclass(frozen=True)
class Results:
    """What became of a spec's runs, None for those that were not wanted, and of its claims.

    `confirmed` are the outcomes of the second stage by what its runs are called; None where that was not wanted.
    """

    outcomes: list[Outcome | None]
    confirmed: dict[str, Outcome] | None
    verdicts: list[Verdict]


class Proof:
    """One spec. Its runs and its claims are counted from 0, in the order of the file.

    Raises SpecError or PluginError for a spec that is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._plugins = project_plugins()
        self.mention = first_mention(self._plugins)  # of code that this runs, where it is said for the first time
        self._registry = open_registry(self._plugins)
        self._spec = resolve(read_spec(read_document(path)), self._registry)
        self._plan = make_plan(self._spec, "")  # ids do not matter as long as nothing is trained
        self._runs = [] if self._plan.spec.search else self._plan.searched  # which runs a search has, it tells itself

    def run_names(self) -> list[str]:
        """Return what the runs are called: `scratch.adam optimizer.lr=0.1 seed=0`, no two the same."""
        differing = sections_that_differ(self._plan.grid_rows)
        return _distinct(full_name(run, differing) for run in self._runs)

    def claims(self) -> list[str]:
        """Return the claims in words, no two the same."""
        return _distinct(expectation.claim for expectation in self._spec.expectations)

    def line_of(self, claim: int) -> int:
        """Return the line of the spec in which a claim stands, from 1."""
        return self._spec.document.place(self._spec.expectations[claim].path, "key").line

    @property
    def has_confirmation(self) -> bool:
        """Whether the spec has runs that follow from others: rounds of a search, a second stage."""
        return self._spec.confirm is not None or self._spec.search is not None

    def want_frameworks(self) -> None:
        """Raise MissingFrameworkError where the framework of a backend of the spec is not installed."""
        require_frameworks(self._spec, self._registry)

    def runs_of(self, claim: int) -> set[int]:
        """Return the runs of the search that a claim is about."""
        wheres = [where for member in self._family(claim) for where in member.selections]
        wanted = {run.id for where in wheres for run in selected(self._plan, where)}
        return {i for i, run in enumerate(self._runs) if run.id in wanted}

    def needs_confirmation(self, claim: int) -> bool:
        """Whether a claim is about such runs."""
        return self._spec.search is not None or any(map(needs_confirmation, self._family(claim)))

    def _family(self, claim: int) -> list[Expectation]:
        """Return the claims that are judged together with one, each with its stage."""
        return [staged(member, self._plan) for member in family_of(self._spec.expectations[claim], self._plan)]

    def train(self, wanted: set[int], folder: Path, *, confirm: bool = False) -> Results:
        """Train these runs, those that share a program together, and judge the claims; the folder holds the store.

        With `confirm` both stages are trained as a whole.
        Raises SpecError for a gradient by hand that is wrong, DeviceError for an absent device, and KeyboardInterrupt.
        """
        from xprun.runner.experiment import Options, run_experiment
        from xprun.runner.process.interrupts import interruptible
        from xprun.runner.status.progress import Silent
        from xprun.runner.store.run_store import Store
        from xprun.runner.workload.devices import kind_of, pick

        check_with_torch(self._spec, self._registry)
        plan = make_plan(self._spec, kind_of(pick(self._spec.head.device)))
        ids = [] if plan.spec.search else [run.id for run in plan.searched]
        options = Options(
            folder,
            self._plugins,
            workers=int(os.environ.get("XPRUN_JOBS", "1")),
            only=None if confirm else frozenset(ids[i] for i in wanted),
        )
        with interruptible() as interrupts:
            report = run_experiment(self._spec, self._registry, options, Silent(), interrupts)
        if interrupts.number is not None:
            raise KeyboardInterrupt
        store = Store(folder)
        whole, outcomes = plan.followed(store.outcomes)
        second = [run for run in whole.runs if run.id not in ids]
        found, differing = store.outcomes(run.id for run in second), sections_that_differ(plan.grid_rows)
        store.close()
        confirmed = {full_name(run, differing): found[run.id] for run in second if run.id in found}
        return Results([outcomes.get(run) for run in ids], confirmed if confirm else None, report.verdicts)


def _distinct(names: Iterable[str]) -> list[str]:
    """Return the names with control characters escaped, and those that are there again numbered."""
    seen: Counter[str] = Counter()
    distinct = []
    for name in map(printable, names):
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return distinct
