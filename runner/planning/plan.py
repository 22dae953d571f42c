"""The plan: which runs there are, and which of them belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xprun.runner.planning.cohorts import Cohort, cohorts_of
from xprun.runner.planning.planned_schema import describe_tables
from xprun.runner.planning.search_rounds import MeritOf, Rounds, rounds_of
from xprun.runner.planning.second_stage import Choose, best_of, confirmation, first_of, merit_by
from xprun.runner.resolve.data_parts import all_hold, chooses_on_test
from xprun.runner.resolve.resolver import metrics_of, most_telling
from xprun.runner.results.results_schema import (
    CONFIRM,
    SCREEN,
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
from xprun.runner.results.run_columns import columns_of_run, defaults_of_run, label_of
from xprun.specs import Alternative, Run, Spec, expand
from xprun.specs.language.ablations import Ablation
from xprun.specs.language.comparison import compared, compared_labels, linked_settings, swept_settings
from xprun.specs.language.confirmation import fresh_seeds
from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.expansion import VARIED
from xprun.specs.language.parser import united

if TYPE_CHECKING:
    from xprun.runner.results.outcome import Outcome  # with numpy

MAX_RUNS_WITH_VISUALS = 500  # of a stage


@dataclass(frozen=True)
class Plan:
    """Everything that a spec stands for.

    `grid_rows` are the runs that sweeps stand for, as tables list them: one that the spec has under two labels is there
    under both, and is trained once. `search_rows` are those of the first stage, the same unless a `[search]` chooses
    among them; then they are those that are known, and so are the shorter runs, `screen_rows`, and there are more to
    come unless it `is_searched`. `confirm_rows`, those of the second, follow from how these end; None until then,
    or where the spec has no `[confirm]`. `unconfirmed` are the labels of which every run of the best setting failed or
    diverged. `duplicates` runs of the search more in the spec equal another. `device_kind` is part of the ids.
    """

    spec: Spec
    grid_rows: list[Run]
    search_rows: list[Run]
    comparison: Comparison
    metrics: list[Metric]
    duplicates: int
    device_kind: str
    confirm_rows: list[Run] | None = None
    unconfirmed: tuple[str, ...] = ()
    by_problem: Mapping[str, Comparison] = field(default_factory=dict)
    screen_rows: list[Run] = field(default_factory=list)
    is_searched: bool = True

    def comparison_of(self, run: Run) -> Comparison:
        """Return the comparison on the problem that a run is of."""
        return self.by_problem.get(run.problem, self.comparison)

    @property
    def rows(self) -> list[Run]:
        """The runs of all stages, as far as they are known, each under each of its labels."""
        return [*self.screen_rows, *self.search_rows, *(self.confirm_rows or ())]

    @cached_property
    def searched(self) -> list[Run]:
        """The distinct runs of the search, as far as they are known, each under its first labels."""
        return distinct([*self.screen_rows, *self.search_rows])

    @cached_property
    def confirmed(self) -> list[Run] | None:
        """The distinct runs of the second stage, where it is known."""
        return None if self.confirm_rows is None else distinct(self.confirm_rows)

    @property
    def runs(self) -> list[Run]:
        """The distinct runs of both stages, as far as they are known."""
        return [*self.searched, *(self.confirmed or ())]

    @cached_property
    def stages(self) -> dict[Stage, int]:
        """How many runs a stage has; one that is not known is as large as if the first settings were the best."""
        shorter, full = distinct(self.outlook.shorter), distinct(self.outlook.full)
        found: dict[Stage, int] = {SCREEN: len(shorter), SEARCH: len(full)} if shorter else {SEARCH: len(full)}
        if self.spec.confirm is not None:
            found[CONFIRM] = len(self.expected if self.confirmed is None else self.confirmed)
        return found

    @property
    def total(self) -> int:
        """How many runs there are in all."""
        return sum(self.stages.values())

    @cached_property
    def outlook(self) -> Rounds:
        """The whole search, what is not known of it as if the first settings were the best: of its size and cost."""
        return Rounds(self.screen_rows, self.search_rows) if self.is_searched else self.rounds

    @cached_property
    def rounds(self) -> Rounds:
        """The rounds of a search as if the first settings were the best."""
        return self._rounds(lambda runs: (0.0, 0.0))

    @cached_property
    def expected(self) -> list[Run]:
        """The second stage as if the first setting of each alternative were chosen: of its size, and about its cost."""
        return distinct(self._confirmation(self.grid_rows, first_of)[0])

    def followed(self, read: Callable[[Iterable[str]], dict[str, Outcome]]) -> tuple[Plan, dict[str, Outcome]]:
        """Return the plan with all that follows from what is stored, and the outcomes of its search."""
        plan, outcomes = self, read(run.id for run in self.searched)
        while True:
            before, plan = plan, plan.after(outcomes)
            if len(plan.searched) == len(before.searched):
                return plan, outcomes
            outcomes |= read(run.id for run in plan.searched if run.id not in outcomes)

    def after(self, outcomes: Mapping[str, Outcome]) -> Plan:
        """Return the plan with what follows from outcomes: the next round of a search, and then the second stage."""
        if not self.is_searched:
            found = self._rounds(merit_by(outcomes, self.comparison_of))
            plan = replace(self, screen_rows=found.shorter, search_rows=found.full, is_searched=found.complete)
            return plan.after(outcomes) if found.complete else plan
        if self.spec.confirm is None or any(run.id not in outcomes for run in self.searched):
            return self
        best = best_of(outcomes, self.comparison_of)
        confirmed, left_out = self._confirmation(self.search_rows, best)
        return replace(self, confirm_rows=confirmed, unconfirmed=tuple(map(self._called, left_out)))

    def _rounds(self, merit_of: MeritOf) -> Rounds:
        assert self.spec.search is not None
        return rounds_of(self.spec.search, self.grid_rows, self.comparison.by, self.device_kind, merit_of)

    def _confirmation(self, rows: list[Run], chosen: Choose) -> tuple[list[Run], list[Run]]:
        return confirmation(rows, self.comparison.by, fresh_seeds(self.spec), self.device_kind, chosen)

    def _called(self, run: Run) -> str:
        """Return the label of a run's alternative and, where there are several, of the problem."""
        by, problems = (label_of(run, part) for part in (self.comparison.by, self.comparison.problems))
        return f"{by} on {problems}" if problems else by

    def stage_of(self, run: Run) -> Stage:
        return SCREEN if run.id in self._screened else SEARCH if run.id in self._searched else CONFIRM

    @cached_property
    def _screened(self) -> set[str]:
        return {run.id for run in self.screen_rows}

    @cached_property
    def _searched(self) -> set[str]:
        return {run.id for run in self.search_rows}

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
        """The columns of each row that tables show."""
        return [{**columns_of_run(run), STAGE: self.stage_of(run)} for run in self.rows]

    @cached_property
    def selectable(self) -> list[dict[str, Any]]:
        """What claims select each row by: its columns, and the settings that the spec leaves at their defaults."""
        return [{**defaults_of_run(run), **columns} for run, columns in zip(self.rows, self.columns, strict=True)]

    def cohorts(self, leave_out: set[str]) -> list[Cohort]:
        """Return the cohorts of the runs whose ids are not in `leave_out`."""
        return cohorts_of(self.runs, leave_out)


def keeps_visuals(stage: Sequence[Run]) -> bool:
    """Whether the runs of a stage keep paths of parameters and their like, which only pictures need."""
    return len(stage) <= MAX_RUNS_WITH_VISUALS


def make_plan(spec: Spec, device_kind: str) -> Plan:
    """Return the plan of a resolved spec on a kind of device (`cpu`, `cuda`, `mps`), which is part of a run's id."""
    parts = [_Part.of(part) for part in spec.parts]
    by_problem = {part.spec.problem: part.comparison for part in parts if spec.listed}
    comparison = _together(spec, parts) if spec.listed else parts[0].comparison
    spec = united(spec, tuple(part.spec for part in parts)) if spec.listed else parts[0].spec
    metrics = {metric.name: metric for part in parts for metric in part.metrics}
    runs = expand(spec, salt=device_kind)
    rows = _rows_of(runs)
    duplicates = len(runs) - len(distinct(runs))
    plan = Plan(spec, rows, rows, comparison, list(metrics.values()), duplicates, device_kind, by_problem=by_problem)
    return plan if spec.search is None else replace(plan, search_rows=[], is_searched=False).after({})


@dataclass(frozen=True)
class _Part:
    """What is compared on one problem: a spec with what that makes of its runs, and the metrics of these."""

    spec: Spec
    comparison: Comparison
    metrics: list[Metric]

    @classmethod
    def of(cls, spec: Spec) -> _Part:
        comparison, metrics = compare(spec), metrics_of(spec)
        goals = _goals_asked(metrics, comparison)
        prepared = replace(
            spec,
            run=_as_compared(spec.run, comparison, goals),
            ablations=tuple(_ablation_as_compared(ablation, comparison, goals) for ablation in spec.ablations),
        )
        metrics = [replace(metric, goal=goals.get(metric.quantity, metric.goal)) for metric in metrics]
        return cls(prepared, comparison, metrics)


def _together(spec: Spec, parts: Sequence[_Part]) -> Comparison:
    """Return the comparison over all problems that a spec lists: that on the first, as far as it says one thing."""
    by, problems = compared(spec)
    return replace(
        parts[0].comparison,
        by=by,
        problems=problems,
        swept=swept_settings(spec),
        linked=linked_settings(spec),
        chosen_on_test=any(part.comparison.chosen_on_test for part in parts),
    )


def distinct(runs: Iterable[Run]) -> list[Run]:
    """Return each run once, under its first labels."""
    found: dict[str, Run] = {}
    for run in runs:
        found.setdefault(run.id, run)
    return list(found.values())


def _rows_of(runs: Iterable[Run]) -> list[Run]:
    """Return each run once under each of its labels, or settings that tables show; in the order of the spec."""
    first: dict[str, Run] = {}
    others: dict[str, list[Run]] = {}
    rows = []
    for run in runs:
        if first.setdefault(run.id, run) is run:
            rows.append(run)
        elif columns_of_run(run) not in map(columns_of_run, [first[run.id], *others.get(run.id, ())]):
            others.setdefault(run.id, []).append(run)
            rows.append(run)
    return rows


def compare(spec: Spec) -> Comparison:
    """Return the comparison that a spec asks for, or the most telling one where it does not say."""
    metrics, asked = metrics_of(spec), spec.compare
    goals: dict[str, Goal] = {**{known.name: known.goal for known in metrics}, STEPS_TO_TARGET: "min"}
    metric = asked.metric or most_telling(metrics)
    goal = asked.goal or goals[metric]
    other = asked.target_metric if asked.target_metric != metric else None
    by, problems = compared(spec)
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
        linked=linked_settings(spec),
        curves=list(asked.curves),
        candidates=list(asked.candidates),
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


def _goals_asked(metrics: list[Metric], comparison: Comparison) -> dict[str, Goal]:
    """Return the goal of the quantity that is compared: it holds on all parts of the data, and whoever asks for it."""
    return {metric.quantity: comparison.goal for metric in metrics if metric.name == comparison.metric}


def _as_compared(run: Alternative, comparison: Comparison, goals: Mapping[str, Goal]) -> Alternative:
    """Return `[run]` with the comparison's metric in `save = "best"` and its goals in the metrics.

    What is kept and when a run stops is part of what a run is.
    """
    metric, goal = comparison.measured
    best = {"metric": metric, "goal": goal}

    def named(value: Any) -> Any:
        return best if value == "best" else value

    axes = tuple(
        replace(axis, values=list(map(named, axis.values))) if axis.path == ("save",) else axis for axis in run.axes
    )
    settings = {key: named(value) if key == "save" else value for key, value in run.settings.items()}
    settings["metrics"] = [m | {"goal": goals.get(m["label"], m["goal"])} for m in settings["metrics"]]
    return replace(run, settings=settings, axes=axes)


def _ablation_as_compared(ablation: Ablation, comparison: Comparison, goals: Mapping[str, Goal]) -> Ablation:
    if ablation.section != "run":
        return ablation
    return replace(ablation, alternatives=tuple(_as_compared(run, comparison, goals) for run in ablation.alternatives))


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
        "compare": {key: value for key, value in compare.items() if key not in ("swept", "linked")}
        | {"plots": [plot.model_dump() for plot in spec.compare.plots]},
        "spec": {
            section: [
                {"name": a.name, "label": a.label, "settings": a.settings, "sweeps": _sweeps(a.axes)}
                for a in alternatives
            ]
            for section, alternatives in spec.sections.items()
        }
        | {"run": plan.searched[0].settings.model_dump(mode="json")},
    } | _described_problems(plan)


def _described_problems(plan: Plan) -> dict[str, Any]:
    """Return title and settings of `[run]` of each problem that a spec lists, and the defaults of swept settings."""
    firsts = {run.problem: run for run in reversed(plan.searched)}
    found = [
        {"label": part.problem, "title": part.head.title, "run": firsts[part.problem].settings.model_dump(mode="json")}
        for part in plan.spec.listed
        if part.problem in firsts
    ]
    defaults = {
        alternative.label: {dotted((section, key)): value for key, value in alternative.defaults.items()}
        for section in VARIED
        for alternative in plan.spec.sections.get(section, ())
        if alternative.defaults
    }
    return {"problems": found, "defaults": defaults} if found else {}


def _sweeps(axes: Any) -> dict[str, list[Any]]:
    return {dotted(axis.path): list(axis.values) for axis in axes}
