"""What `run.measure_train` leaves out of the results, and where a spec asks for it all the same; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.runner.resolve.data_parts import values_of
from xprun.runner.results.results_schema import TRAIN
from xprun.specs import Alternative, Diagnostic, Spec
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.result_words import BEST, CHECKPOINT, FINAL

SETTING = "measure_train"
PATH = ("run", SETTING)
HOW = f'run.{SETTING} = "none" leaves {TRAIN}.* out: write "running" or "full"'


def measures_train(run: Alternative) -> bool:
    """Whether the runs have results of the training rows, where metrics are asked for."""
    return "none" not in values_of(run, SETTING)


def measures_all_train(run: Alternative) -> bool:
    """Whether all training rows are measured by one model, as matrices are."""
    return set(values_of(run, SETTING)) <= {"full", None}


def cure(spec: Spec, column: str) -> str:
    """Return how to have a result of the training rows that is left out; nothing for other results."""
    is_left_out = column.startswith(f"{TRAIN}.") and not measures_train(spec.run)
    return HOW if is_left_out else ""


def measure_train_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield a sweep of what is measured, and averages over the batches of runs that take no step."""
    wanted = {
        str(choice.settings.get(SETTING, "full")) for variant in spec.variants() for choice in choices_of(variant.run)
    }
    if len(wanted) > 1:
        yield Diagnostic(PATH, "says what is measured, and trains no run otherwise", "write one value for all", "key")
        return
    lengths = [key for key in ("epochs", "steps") if 0 in values_of(spec.run, key)]
    if wanted == {"running"} and lengths:
        message = f"averages the batches of an epoch, and a run of {lengths[0]} = 0 has none"
        yield Diagnostic(PATH, message, 'write "full", which measures the untrained model', "key")


def plot_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield plots that are to show a result of the training rows which is left out."""
    for number, plot in enumerate(spec.compare.plots):
        for key, value in plot.settings.items():
            column = _without_moment(value) if isinstance(value, str) else ""
            if help_text := cure(spec, column):
                path = ("compare", "plots", number, key)
                yield Diagnostic(path, f"the runs of this spec have no result {column!r}", help_text)


def _without_moment(column: str) -> str:
    return column.removeprefix(FINAL).removeprefix(BEST).removeprefix(CHECKPOINT)
