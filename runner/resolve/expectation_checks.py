"""Whether the columns, labels and values that `[[expect]]` names exist; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.runner.resolve.data_parts import values_of
from xprun.runner.results.results_schema import CONFIRM, STAGE, STAGES, STEPS_TO_TARGET, is_of_test
from xprun.runner.results.run_columns import columns_of_spec
from xprun.specs import Diagnostic, Expectation, Spec
from xprun.specs.language.diagnostics import Path
from xprun.specs.language.expectations import Cell
from xprun.specs.language.matching import alternatives_of
from xprun.specs.language.result_words import BEST, CHECKPOINT, COUNTED, FINAL, PARAMETER, REFERENCE
from xprun.specs.language.wording import did_you_mean, show


def expect_problems(spec: Spec, metrics: list[str]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the expectations of a spec whose runs will have these metrics."""
    columns = columns_of_spec(spec)
    by_time = [STEPS_TO_TARGET] if spec.compare.metric == STEPS_TO_TARGET else []
    keeps_best = any(save == "best" or isinstance(save, dict) for save in values_of(spec.run, "save"))
    for first in {e.table: e for e in reversed(spec.expectations)}.values():
        yield from _selection_problems(spec, columns, first.where, (*first.table, "where"))
        yield from _selection_problems(spec, columns, first.beats or {}, (*first.table, "beats"))
        yield from _value_problems(first, [*metrics, *(by_time if not first.step else [])], keeps_best=keeps_best)


def _selection_problems(spec: Spec, columns: set[str], where: dict[str, Cell], path: Path) -> Iterator[Diagnostic]:
    for column, cell in where.items():
        found = (a for variant in spec.variants() for a in variant.sections.get(column, ()))
        labels = list(dict.fromkeys(a.label or a.name for a in found))
        if column not in columns:
            message = f"no run of this spec has such a column{did_you_mean(column, sorted(columns))}"
            yield Diagnostic((*path, column), message, f"they have {', '.join(sorted(columns))}", "key")
        elif column == STAGE:
            yield from _stage_problems(spec, cell, (*path, column))
        elif labels:
            for unknown in [one for one in alternatives_of(cell) if one not in labels]:
                near = did_you_mean(unknown, labels) if isinstance(unknown, str) else ""
                message = f"no {column} is labelled {show(unknown)}{near}"
                yield Diagnostic((*path, column), message, f"there is {', '.join(labels)}")


def _stage_problems(spec: Spec, cell: Cell, path: Path) -> Iterator[Diagnostic]:
    for stage in alternatives_of(cell):
        if stage not in STAGES:
            near = did_you_mean(stage, STAGES) if isinstance(stage, str) else ""
            yield Diagnostic(path, f"there is no stage {show(stage)}{near}", f"there is {', '.join(STAGES)}")
        elif stage == CONFIRM and spec.confirm is None:
            yield Diagnostic(path, "the spec has no [confirm]", "write [confirm] seeds = 10")


def _value_problems(expectation: Expectation, metrics: list[str], *, keeps_best: bool) -> Iterator[Diagnostic]:
    path, value = (*expectation.table, "value"), expectation.value
    metric = value.removeprefix(FINAL).removeprefix(BEST).removeprefix(CHECKPOINT)
    if expectation.status or value.startswith((PARAMETER, REFERENCE)):
        if expectation.beats is not None:
            yield Diagnostic(path, f"{value} is neither better high nor better low, so nothing can beat anything")
    elif expectation.step or value.startswith((FINAL, BEST, CHECKPOINT)):
        wanted = value if expectation.step else metric
        if wanted not in metrics:
            message = f"the runs of this spec have no result {wanted!r}{did_you_mean(wanted, metrics)}"
            others = ", ".join([*metrics, *COUNTED, f"{PARAMETER}*", f"{REFERENCE}*"])
            yield Diagnostic(path, message, f"they have {others}")
        elif metric == STEPS_TO_TARGET and not value.startswith(FINAL):
            yield Diagnostic(path, "the steps to the target are one number of a run", f"claim {FINAL}{STEPS_TO_TARGET}")
        elif value.startswith(BEST) and is_of_test(metric):
            help_text = f'claim {FINAL}{metric}, or where run.save is "best" {CHECKPOINT}{metric}'
            yield Diagnostic(path, f"{metric} is of the test rows, among whose values no best one is chosen", help_text)
        elif value.startswith(CHECKPOINT) and not is_of_test(metric):
            yield Diagnostic(path, "a kept checkpoint is measured on the test rows only", f"claim {BEST}{metric}")
        elif value.startswith(CHECKPOINT) and not keeps_best:
            yield Diagnostic(path, "no checkpoint of a best evaluation is kept", 'write run.save = "best"')
