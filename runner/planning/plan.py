"""The plan: which runs there are, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from xprun.runner.planning.cohorts import Cohort, program_of
from xprun.runner.resolve.resolver import goals_of
from xprun.runner.results.run_columns import columns_of_run
from xprun.specs import Alternative, Run, Spec, expand
from xprun.specs.language.ablations import Ablation
from xprun.specs.language.comparison import compared_labels, compared_sections
from xprun.specs.language.dotted_paths import dotted


@dataclass(frozen=True)
class Comparison:
    """How the runs are ranked: a result column, whether less or more of it is better, between what, and on what."""

    metric: str
    goal: str
    target: float | None
    baseline: str | None
    by: list[str]
    problems: list[str]
    plots: list[dict[str, Any]]  # what is drawn beside the report's own plots: name, label and settings


@dataclass(frozen=True)
class Plan:
    """Everything that a spec stands for. `runs` are distinct; equal ones in the spec are planned once."""

    spec: Spec
    runs: list[Run]
    comparison: Comparison
    goals: dict[str, str]  # of each metric column: "min" or "max"
    duplicates: int

    @cached_property
    def columns(self) -> list[dict[str, Any]]:
        """The columns of each run, by which claims select; made once for all claims."""
        return [columns_of_run(run) for run in self.runs]

    def cohorts(self, leave_out: set[str]) -> list[Cohort]:
        """Return the cohorts of the runs whose ids are not in `leave_out`."""
        groups: dict[str, list[Run]] = {}
        for run in self.runs:
            if run.id not in leave_out:
                groups.setdefault(program_of(run), []).append(run)
        return [Cohort(runs) for runs in groups.values()]


def make_plan(spec: Spec, device_kind: str) -> Plan:
    """Return the plan of a resolved spec on a kind of device (`cpu`, `cuda`, `mps`), which is part of a run's id."""
    comparison = compare(spec)
    spec = replace(spec, run=_with_best(spec.run, comparison), ablations=_ablations_with_best(spec, comparison))
    runs = expand(spec, salt=device_kind)
    distinct = list({run.id: run for run in runs}.values())
    return Plan(spec, distinct, comparison, goals_of(spec), len(runs) - len(distinct))


def compare(spec: Spec) -> Comparison:
    """Return the comparison that a spec asks for, or the most telling one where it does not say."""
    goals = goals_of(spec)
    columns = list(goals)
    metric = spec.compare.metric or (columns[-1] if len(columns) == 1 else _first_metric(columns))
    goal = spec.compare.goal or goals[metric]
    by, problems = compared_sections(spec)
    plots = [plot.model_dump() for plot in spec.compare.plots]
    return Comparison(metric, goal, spec.compare.target, spec.compare.baseline or _ablated(spec), by, problems, plots)


def _ablated(spec: Spec) -> str | None:
    """Return the label of what ablations change, where that is one alternative."""
    labels = compared_labels(replace(spec, ablations=()))
    return labels[0] if spec.ablations and len(labels) == 1 else None


def _with_best(run: Alternative, comparison: Comparison) -> Alternative:
    """Return `[run]` with the comparison's metric in `save = "best"`: what is kept is part of what a run is."""
    best = {"metric": comparison.metric, "goal": comparison.goal}

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
    spec = plan.spec
    swept = [
        dotted((section, *path))
        for variant in spec.variants()
        for section, alternatives in {**variant.sections, "run": (variant.run,)}.items()
        for alternative in alternatives
        for path in (*(axis.path for axis in alternative.axes), *alternative.shown)
    ]
    return {
        "name": spec.name,
        "title": spec.head.title,
        "device": spec.head.device,
        "runs": len(plan.runs),
        "seeds": list(plan.runs[0].settings.seed_list),
        "swept": list(dict.fromkeys(swept)),
        "compare": vars(plan.comparison),
        "spec": {
            section: [
                {"name": a.name, "label": a.label, "settings": a.settings, "sweeps": _sweeps(a.axes)}
                for a in alternatives
            ]
            for section, alternatives in spec.sections.items()
        }
        | {"run": plan.runs[0].settings.model_dump(mode="json")},
    }


def _sweeps(axes: Any) -> dict[str, list[Any]]:
    return {dotted(axis.path): list(axis.values) for axis in axes}


def _first_metric(columns: list[str]) -> str:
    """Return the first metric of the held-out rows, or of the training rows; their loss when there is no other."""
    split = "valid" if any(c.startswith("valid.") for c in columns) else "train"
    of_split = [c for c in columns if c.startswith(f"{split}.")]
    return next((c for c in of_split if not c.endswith(".loss")), of_split[0])
