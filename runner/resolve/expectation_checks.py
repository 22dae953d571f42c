"""Whether the columns, labels and values that `[[expect]]` names exist; imports no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from xprun.runner.resolve.data_parts import values_of
from xprun.runner.resolve.training_rows import cure
from xprun.runner.results.results_schema import (
    CONFIRM,
    GRADIENT,
    SEED,
    STAGE,
    STAGES,
    STEPS_TO_TARGET,
    TRAIN,
    is_of_step,
    is_of_test,
)
from xprun.runner.results.run_columns import columns_of_spec, defaults_of_spec
from xprun.specs import Alternative, Diagnostic, Expectation, Spec
from xprun.specs.language.claim_stages import most_pairs
from xprun.specs.language.confirmation import fresh_seeds, search_seeds
from xprun.specs.language.diagnostics import Path
from xprun.specs.language.dotted_paths import at, dotted
from xprun.specs.language.expansion import cell
from xprun.specs.language.expectations import Cell
from xprun.specs.language.matching import alternatives_of, fits
from xprun.specs.language.result_words import BEST, CHECKPOINT, COUNTED, FINAL, PARAMETER, PROBLEM, REFERENCE
from xprun.specs.language.schema import CONFIRM_SECTION
from xprun.specs.language.wording import did_you_mean, show

SHOWN = 10  # values that an error lists


def expect_problems(spec: Spec, metrics: list[str]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the expectations of a spec whose runs will have these metrics."""
    columns = Selectable(columns_of_spec(spec), defaults_of_spec(spec))
    by_time = [STEPS_TO_TARGET] if spec.compare.metric == STEPS_TO_TARGET else []
    keeps_best = any(save == "best" or isinstance(save, dict) for save in values_of(spec.run, "save"))
    for first in {e.table: e for e in reversed(spec.expectations)}.values():
        wrong = [
            *_selection_problems(spec, columns, first.where, (*first.table, "where")),
            *_selection_problems(spec, columns, first.beats or {}, (*first.table, "beats")),
            *_value_problems(spec, first, [*metrics, *(by_time if first.step is None else [])], keeps_best=keeps_best),
        ]
        yield from (replace(problem, about=_about(problem, first.table)) for problem in wrong)
        if not wrong:
            yield from _confidence_problems(first, spec)


def _about(problem: Diagnostic, table: Path) -> tuple[Path, ...]:
    """Return from what a problem of a claim was concluded: what is measured, or the section by which it selects."""
    inside = problem.path[len(table) :]
    if inside[:1] not in (("where",), ("beats",)):
        return MEASURED
    section = str(inside[1]).partition(".")[0]
    return (("run", section),) if section in ("seed", "stage") else ((section,),)


MEASURED: tuple[Path, ...] = (("data",), ("run", "metrics"))  # what decides which results there are


@dataclass(frozen=True)
class Selectable:
    """By what claims select runs: the columns of the tables, and the settings that are left at their defaults."""

    shown: set[str]
    defaults: set[str]

    @property
    def every(self) -> list[str]:
        return sorted(self.shown | self.defaults)


def _selection_problems(spec: Spec, columns: Selectable, where: dict[str, Cell], path: Path) -> Iterator[Diagnostic]:
    for column, wanted in where.items():
        found = (a for variant in spec.variants() for a in variant.sections.get(column, ()))
        problems = [part.problem for part in spec.listed] if column == PROBLEM else []
        labels = list(dict.fromkeys([*problems, *(a.label or a.name for a in found)]))
        if column not in columns.every:
            message = f"no run of this spec has such a column{did_you_mean(column, columns.every)}"
            yield Diagnostic((*path, column), message, f"they have {', '.join(sorted(columns.shown))}", "key")
        elif column == SEED and not _is_overridden(spec, "run", CONFIRM_SECTION):
            yield from _seed_problems(spec, wanted, (*path, column))
        elif column == STAGE:
            yield from _stage_problems(spec, wanted, (*path, column))
        elif labels:
            for unknown in [one for one in alternatives_of(wanted) if one not in labels]:
                near = did_you_mean(unknown, labels) if isinstance(unknown, str) else ""
                message = f"no {column} is labelled {show(unknown)}{near}"
                yield Diagnostic((*path, column), message, f"there is {', '.join(labels)}")
        elif not _is_overridden(spec, column.partition(".")[0]) and (known := _values_of(spec, column, where)):
            yield from _unknown_values(column, wanted, known, (*path, column))


def _stage_problems(spec: Spec, wanted: Cell, path: Path) -> Iterator[Diagnostic]:
    for stage in alternatives_of(wanted):
        if stage not in STAGES:
            near = did_you_mean(stage, STAGES) if isinstance(stage, str) else ""
            yield Diagnostic(path, f"there is no stage {show(stage)}{near}", f"there is {', '.join(STAGES)}")
        elif stage == CONFIRM and spec.confirm is None:
            yield Diagnostic(path, "the spec has no [confirm]", "write [confirm] seeds = 10")


def _unknown_values(column: str, wanted: Cell, known: list[Any], path: Path) -> Iterator[Diagnostic]:
    if isinstance(wanted, list) and json.dumps(wanted) in known:  # a setting that is a list
        return
    are_lists = all(isinstance(one, str) and one.startswith("[") for one in known)
    for value in [wanted] if are_lists else alternatives_of(wanted):
        if not any(fits(one, value) for one in known):
            there = ", ".join(known[:SHOWN]) if are_lists else _some(known)
            yield Diagnostic(path, f"no run has {column} = {show(value)}", f"there is {there}")


def _values_of(spec: Spec, column: str, where: dict[str, Cell]) -> list[Any]:
    """Return the values that a setting has in the alternatives that a selection may mean, as tables hold them."""
    section, _, _ = column.partition(".")
    wanted = where.get(section)
    found: dict[str, Any] = {}
    for variant in spec.variants():
        for alternative in variant.sections.get(section, (variant.run,) if section == "run" else ()):
            if wanted is None or fits(alternative.label or alternative.name, wanted):
                found |= {repr(value): value for value in _values_in(alternative, column)}
    return list(found.values())


def _values_in(alternative: Alternative, column: str) -> Iterator[Any]:
    axes = [axis for axis in alternative.axes if dotted((alternative.section, *axis.path)) == column]
    if axes:
        yield from (cell(value) for axis in axes for value in axis.values)
        return
    paths = {
        dotted((alternative.section, *path)): path
        for path in [*((key,) for key in alternative.settings), *alternative.shown]
    }
    if column in paths and not any(axis.key == paths[column][0] for axis in alternative.axes):
        yield cell(at(alternative.settings, paths[column]))


def _some(values: list[Any]) -> str:
    shown = [show(value) for value in values[:SHOWN]]
    return ", ".join([*shown, "..."] if len(values) > SHOWN else shown)


def _seed_problems(spec: Spec, wanted: Cell, path: Path) -> Iterator[Diagnostic]:
    if not isinstance(spec.run.settings.get("seeds", 1), int | list) or spec.run.axes:
        return
    known = [*(seed for seeds in search_seeds(spec) for seed in seeds), *fresh_seeds(spec)]
    for seed in alternatives_of(wanted):
        if seed not in known:
            yield Diagnostic(path, f"no run has seed {show(seed)}", f"the seeds are {_some(known)}")


def _is_overridden(spec: Spec, *sections: str) -> bool:
    """Whether these sections are not those of the file: a claim that cannot hold then is no mistake in it."""
    return any(override.path[0] in sections for override in spec.document.overrides)


def _confidence_problems(expectation: Expectation, spec: Spec) -> Iterator[Diagnostic]:
    """Yield a confidence that so few pairs cannot give, whatever they find."""
    if expectation.beats is None or _is_overridden(spec, "run", CONFIRM_SECTION):
        return
    pairs, wanted = most_pairs(expectation, spec), expectation.confidence
    if 1 - 0.5**pairs < wanted:
        needed = math.ceil(-math.log2(1 - wanted))
        what = f"{pairs} pairs of runs" if pairs > 1 else "one pair of runs"
        message = f"{what} cannot give a confidence of {wanted:g}, whatever they find"
        help_text = (
            f"{needed} can: run.seeds = {needed}, or [confirm] seeds = 10; or claim confidence = {1 - 0.5**pairs:g}"
        )
        yield Diagnostic((*expectation.table, "beats"), message, help_text, "key")


def _value_problems(
    spec: Spec, expectation: Expectation, metrics: list[str], *, keeps_best: bool
) -> Iterator[Diagnostic]:
    path, value = (*expectation.table, "value"), expectation.value
    metric = value.removeprefix(FINAL).removeprefix(BEST).removeprefix(CHECKPOINT)
    if expectation.step == 0 and is_of_step(value):
        message = "there is no step 0 of it: the first step is 1, and tells of the untrained model"
        yield Diagnostic((*expectation.table, "at"), message, f"write at = 1, or claim a result of {TRAIN}.*")
    elif expectation.status or value.startswith((PARAMETER, REFERENCE, GRADIENT)):
        if expectation.beats is not None:
            yield Diagnostic(path, f"{value} is neither better high nor better low, so nothing can beat anything")
    elif expectation.step or value.startswith((FINAL, BEST, CHECKPOINT)):
        wanted = value if expectation.step else metric
        if wanted not in metrics:
            message = f"the runs of this spec have no result {wanted!r}{did_you_mean(wanted, metrics)}"
            others = ", ".join([*metrics, *COUNTED, f"{PARAMETER}*", f"{REFERENCE}*"])
            yield Diagnostic(path, message, cure(spec, wanted) or f"they have {others}")
        elif metric == STEPS_TO_TARGET and not value.startswith(FINAL):
            yield Diagnostic(path, "the steps to the target are one number of a run", f"claim {FINAL}{STEPS_TO_TARGET}")
        elif value.startswith(BEST) and is_of_test(metric):
            help_text = f'claim {FINAL}{metric}, or where run.save is "best" {CHECKPOINT}{metric}'
            yield Diagnostic(path, f"{metric} is of the test rows, among whose values no best one is chosen", help_text)
        elif value.startswith(CHECKPOINT) and not is_of_test(metric):
            yield Diagnostic(path, "a kept checkpoint is measured on the test rows only", f"claim {BEST}{metric}")
        elif value.startswith(CHECKPOINT) and not keeps_best:
            yield Diagnostic(path, "no checkpoint of a best evaluation is kept", 'write run.save = "best"')
