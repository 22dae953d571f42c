"""The plan: which runs there are, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xprun.runner.planning.cohorts import Cohort, cohorts_of
from xprun.runner.planning.planned_schema import describe_tables
from xprun.runner.planning.second_stage import best_of, confirmation, first_of
from xprun.runner.resolve.data_parts import all_hold, chooses_on_test
from xprun.runner.resolve.resolver import metrics_of, most_telling
from xprun.runner.results.results_schema import (
    CONFIRM,
    SEARCH,
    STAGE,
    STEPS_TO_TARGET,
    TEST,
    VALID,
    Comparison,
    Goal,
    Metric,
    ResultsSchema,
    Stage,
)
from xprun.runner.results.run_columns import columns_of_run, defaults_of_run
from xprun.specs import Alternative, Run, Spec, expand
from xprun.specs.language.ablations import Ablation
from xprun.specs.language.comparison import BETWEEN, compared_labels, compared_sections, swept_settings
from xprun.specs.language.confirmation import fresh_seeds
from xprun.specs.language.dotted_paths import dotted

if TYPE_CHECKING:
    from xprun.runner.results.outcome import Outcome  # with numpy

MAX_RUNS_WITH_VISUALS = 500  # of a stage


@dataclass(frozen=True)
class Plan:
    """Everything that a spec stands for. Its runs are distinct; equal ones in the spec are planned once.

    `searched` are the runs of the first stage. `confirmed`, those of the second, follow from how these end; None until
    then, or where the spec has no `[confirm]`. `unconfirmed` are the labels of which every run of the best setting
    failed or diverged. `device_kind` is part of the ids.
    """

    spec: Spec
    searched: list[Run]
    comparison: Comparison
    metrics: list[Metric]
    duplicates: int
    device_kind: str
    confirmed: list[Run] | None = None
    unconfirmed: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """The runs of both stages, as far as they are known."""
        return [*self.searched, *(self.confirmed or ())]

    @cached_property
    def stages(self) -> dict[Stage, int]:
        """How many runs a stage has; the second one, as long as it is not known, if every alternative is confirmed."""
        found: dict[Stage, int] = {SEARCH: len(self.searched)}
        if self.spec.confirm is not None:
            found[CONFIRM] = len(self.expected if self.confirmed is None else self.confirmed)
        return found

    @property
    def total(self) -> int:
        """How many runs there are in all."""
        return sum(self.stages.values())

    @cached_property
    def expected(self) -> list[Run]:
        """The second stage as if the first setting of each alternative were chosen: of its size, and about its cost."""
        return confirmation(self.searched, fresh_seeds(self.spec), self.device_kind, first_of)[0]

    def after(self, outcomes: Mapping[str, Outcome]) -> Plan:
        """Return the plan with its second stage, where the search is complete: every run of it has an outcome."""
        if self.spec.confirm is None or any(run.id not in outcomes for run in self.searched):
            return self
        best = best_of(outcomes, self.comparison)
        confirmed, left_out = confirmation(self.searched, fresh_seeds(self.spec), self.device_kind, best)
        return replace(self, confirmed=confirmed, unconfirmed=tuple(map(self._called, left_out)))

    def _called(self, run: Run) -> str:
        """Return the label of a run's alternative and, where there are several, of the problem."""
        sections = (self.comparison.by, self.comparison.problems)
        by, problems = (BETWEEN.join(run.choices[section].label for section in part) for part in sections)
        return f"{by} on {problems}" if problems else by

    def stage_of(self, run: Run) -> Stage:
        return SEARCH if run.id in self._searched else CONFIRM

    @cached_property
    def _searched(self) -> set[str]:
        return {run.id for run in self.searched}

    @property
    def goals(self) -> dict[str, Goal]:
        """Whether less or more is better, by metric."""
        return {metric.name: metric.goal for metric in self.metrics}

    @cached_property
    def schema(self) -> ResultsSchema:
        """What the tables of the runs will hold, as far as a plan tells."""
        return describe_tables(self)

    @property
    def pictured(self) -> list[Run]:
        """The runs of the stages that keep what only pictures need."""
        return [run for stage in (self.searched, self.confirmed or []) if keeps_visuals(stage) for run in stage]

    @cached_property
    def columns(self) -> list[dict[str, Any]]:
        """The columns of each run that tables show."""
        return [{**columns_of_run(run), STAGE: self.stage_of(run)} for run in self.runs]

    @cached_property
    def selectable(self) -> list[dict[str, Any]]:
        """What claims select each run by: its columns, and the settings that the spec leaves at their defaults."""
        return [{**defaults_of_run(run), **columns} for run, columns in zip(self.runs, self.columns, strict=True)]

    def cohorts(self, leave_out: set[str]) -> list[Cohort]:
        """Return the cohorts of the runs whose ids are not in `leave_out`."""
        return cohorts_of(self.runs, leave_out)


def keeps_visuals(stage: Sequence[Run]) -> bool:
    """Whether the runs of a stage keep paths of parameters and their like, which only pictures need."""
    return len(stage) <= MAX_RUNS_WITH_VISUALS


def make_plan(spec: Spec, device_kind: str) -> Plan:
    """Return the plan of a resolved spec on a kind of device (`cpu`, `cuda`, `mps`), which is part of a run's id."""
    comparison = compare(spec)
    spec = replace(spec, run=_with_best(spec.run, comparison), ablations=_ablations_with_best(spec, comparison))
    runs = expand(spec, salt=device_kind)
    distinct = list({run.id: run for run in runs}.values())
    return Plan(spec, distinct, comparison, metrics_of(spec), len(runs) - len(distinct), device_kind)


def compare(spec: Spec) -> Comparison:
    """Return the comparison that a spec asks for, or the most telling one where it does not say."""
    metrics, asked = metrics_of(spec), spec.compare
    goals: dict[str, Goal] = {**{known.name: known.goal for known in metrics}, STEPS_TO_TARGET: "min"}
    metric = asked.metric or most_telling(metrics)
    goal = asked.goal or goals[metric]
    other = asked.target_metric if asked.target_metric != metric else None
    by, problems = compared_sections(spec)
    comparison = Comparison(
        metric,
        goal,
        reported=_reported(spec, metric),
        at=asked.at,
        tolerance=asked.tolerance,
        target=asked.target_value,
        target_metric=other,
        target_goal=goals[other] if other else None,
        baseline=asked.baseline or _ablated(spec),
        by=by,
        problems=problems,
        swept=swept_settings(spec),
    )
    chooses = comparison.measured[0].startswith(f"{VALID}.")
    return replace(comparison, chosen_on_test=chooses and chooses_on_test(spec))


def _reported(spec: Spec, metric: str) -> str | None:
    """Return the metric of the test rows that is called as one that chooses, where every run has test rows.

    They are measured when a run has ended, so they tell no time.
    """
    if metric == STEPS_TO_TARGET:
        return None
    return f"{TEST}.{metric.partition('.')[2] or metric}" if all_hold(spec, TEST) else None


def _ablated(spec: Spec) -> str | None:
    """Return the label of what ablations change, where that is one alternative."""
    labels = compared_labels(replace(spec, ablations=()))
    return labels[0] if spec.ablations and len(labels) == 1 else None


def _with_best(run: Alternative, comparison: Comparison) -> Alternative:
    """Return `[run]` with the comparison's metric in `save = "best"`: what is kept is part of what a run is."""
    metric, goal = comparison.measured
    best = {"metric": metric, "goal": goal}

    def named(value: Any) -> Any:
        return best if value == "best" else value

    axes = tuple(
        replace(axis, values=list(map(named, axis.values))) if axis.path == ("save",) else axis for axis in run.axes
    )
    settings = {key: named(value) if key == "save" else value for key, value in run.settings.items()}
    return replace(run, settings=settings, axes=axes)


def _ablations_with_best(spec: Spec, comparison: Comparison) -> tuple[Ablation, ...]:
    return tuple(
        replace(ablation, alternatives=tuple(_with_best(run, comparison) for run in ablation.alternatives))
        if ablation.section == "run"
        else ablation
        for ablation in spec.ablations
    )


def describe(plan: Plan) -> dict[str, Any]:
    """Return what reports need to know of a plan, as plain values for `resolved.json`."""
    spec, compare = plan.spec, vars(plan.comparison)
    return {
        "name": spec.name,
        "title": spec.head.title,
        "device": spec.head.device,
        "runs": plan.total,
        "seeds": list(plan.searched[0].settings.seed_list),
        **({"confirm": {"seeds": list(fresh_seeds(spec))}} if spec.confirm else {}),
        "swept": plan.comparison.swept,
        "compare": {key: value for key, value in compare.items() if key != "swept"}
        | {"plots": [plot.model_dump() for plot in spec.compare.plots]},
        "spec": {
            section: [
                {"name": a.name, "label": a.label, "settings": a.settings, "sweeps": _sweeps(a.axes)}
                for a in alternatives
            ]
            for section, alternatives in spec.sections.items()
        }
        | {"run": plan.searched[0].settings.model_dump(mode="json")},
    }


def _sweeps(axes: Any) -> dict[str, list[Any]]:
    return {dotted(axis.path): list(axis.values) for axis in axes}
