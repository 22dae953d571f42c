"""What the tables of a plan's runs will hold, as far as the plan tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.runner.resolve.resolver import matrices_of
from xprun.runner.results.results_schema import (
    ENDING_COLUMNS,
    PROBLEM_COLUMN,
    RUN_COLUMN,
    SEED_COLUMN,
    SHARED,
    STEPS_COLUMN,
    Column,
    ResultsSchema,
    Type,
    metric_columns,
    repeat_column,
    section_column,
    setting_column,
)
from xprun.runner.results.run_columns import components_key
from xprun.specs import apart_from_seeds
from xprun.specs.language.repeats import is_repeat
from xprun.specs.language.schema import SaveBest

if TYPE_CHECKING:
    from xprun.runner.planning.plan import Plan

TYPES: dict[type, Type] = {bool: "boolean", int: "integer", float: "number", str: "text"}


def describe_tables(plan: Plan) -> ResultsSchema:
    """Return the schema of the tables of a plan's runs; the names of parameters come with the outcomes."""
    schema = ResultsSchema(
        comparison=plan.comparison,
        stages=plan.stages,
        problems=_problems(plan),
        by_problem=dict(plan.by_problem),
        metrics=plan.metrics,
        matrices=matrices_of(plan.spec),
        shared={kind: _shared(plan, sections) for kind, sections in SHARED.items()} if plan.pictured else {},
    )
    sections = dict.fromkeys(section for run in apart_from_seeds(plan.grid_rows) for section in run.choices)
    return schema.with_columns(
        [
            RUN_COLUMN,
            *([PROBLEM_COLUMN] if plan.spec.listed else []),
            *map(section_column, sections),
            *_setting_columns(plan),
            SEED_COLUMN,
            *ENDING_COLUMNS,
            *([STEPS_COLUMN] if any(one.by_time for one in [plan.comparison, *plan.by_problem.values()]) else []),
            *metric_columns(plan.metrics, kept=_keeps_best(plan)),
        ]
    )


def _keeps_best(plan: Plan) -> bool:
    return any(isinstance(run.settings.save, SaveBest) for run in apart_from_seeds(plan.runs))


def _setting_columns(plan: Plan) -> list[Column]:
    """Return the settings that the spec writes or sweeps, in the order in which they are met."""
    met: dict[str, tuple[str, set[type]]] = {}
    settings = apart_from_seeds(plan.grid_rows)
    choices = {id(one): one for run in settings for one in (*run.choices.values(), run.run_choice)}
    for choice in choices.values():
        for name, value in choice.columns.items():
            met.setdefault(name, (choice.alternative.section, set()))[1].add(type(value))
    swept = set(plan.comparison.swept)
    return [
        repeat_column(name, section, _type(types))
        if is_repeat(section, tuple(name.split(".")[1:]))
        else setting_column(name, section, _type(types), swept=name in swept)
        for name, (section, types) in met.items()
    ]


def _type(types: set[type]) -> Type:
    if types == {int, float}:
        return "number"
    return TYPES.get(next(iter(types)), "mixed") if len(types) == 1 else "mixed"


def _problems(plan: Plan) -> list[list[str]]:
    sections = plan.comparison.problems
    if plan.spec.listed:
        return [[part.problem] for part in plan.spec.listed]
    if not sections:
        return []
    runs = apart_from_seeds(plan.grid_rows)
    met = dict.fromkeys(tuple(run.choices[section].label for section in sections) for run in runs)
    return [list(labels) for labels in met]


def _shared(plan: Plan, sections: tuple[str, ...]) -> list[list[str]]:
    """Return the groups of runs whose components of these sections are the same, whatever they are called."""
    groups: dict[str, list[str]] = {}
    for run in plan.pictured:
        groups.setdefault(components_key(run, sections), []).append(run.id)
    return list(groups.values())
