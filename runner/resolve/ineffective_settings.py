"""Finds settings that can affect no run of a spec: nothing that somebody wrote is silently ignored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xprun.runner.resolve.data_parts import some_hold, values_of
from xprun.runner.results.results_schema import TEST, TRAIN, VALID
from xprun.specs import Alternative, Diagnostic, Spec
from xprun.specs.language.comparison import compared_labels
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.folds import K_FOLDS
from xprun.specs.language.schema import PROBLEM_SECTION


def idle_problems(spec: Spec, columns: list[str]) -> Iterator[Diagnostic]:
    """Yield the settings of a resolved spec that have no effect; `columns` are the results that its runs have."""
    for variant in spec.sections["data"]:
        yield from _split_problems(variant)
    yield from _search_problems(spec)
    yield from _interval_problems(spec, columns)
    yield from _recipe_problems(spec)
    yield from _comparison_problems(spec)


def is_idle(problem: Diagnostic) -> bool:
    """Whether a problem is that a setting has no effect."""
    return isinstance(problem, Idle)


@dataclass(frozen=True, slots=True)
class Idle(Diagnostic):
    """A setting that has no effect."""


def notes_of(spec: Spec) -> Iterator[str]:
    """Yield a line for each inherited setting of a resolved spec that has no effect, with what takes it away."""
    for note in spec.notes:
        place = spec.document.place(note.path, note.at).name
        is_of_problem = note.path[0] == PROBLEM_SECTION
        setting, where = (dotted(note.path[2:]), " in the problem") if is_of_problem else (note.dotted, "")
        yield f'{place}: {note.dotted}: {note.message}; unset = ["{setting}"]{where} takes it away'


def _split_problems(data: Alternative) -> Iterator[Diagnostic]:
    held_out = [*values_of(data, VALID), *values_of(data, TEST), data.settings[K_FOLDS]]
    if "split_seed" in data.written and not any(held_out):
        yield _idle((*data.path, "split_seed"), "no rows are held out", "write for example valid = 0.2")


def _search_problems(spec: Spec) -> Iterator[Diagnostic]:
    drawn = any(axis.is_random for variant in spec.variants() for a in variant.alternatives for axis in a.axes)
    if "search_seed" in _written(spec, "run") and not drawn:
        yield _idle(
            ("run", "search_seed"), "there is no random sweep", "random sweeps are uniform, loguniform and choice"
        )


def _interval_problems(spec: Spec, columns: list[str]) -> Iterator[Diagnostic]:
    written = _written(spec, "run")
    each = "each" in values_of(spec.run, "measure_test")
    if "measure_test" in written and not some_hold(spec, TEST):
        yield _idle(("run", "measure_test"), "no rows are held out for the test", "write for example data.test = 0.2")
    if "measure_train" in written and not spec.run.settings["metrics"]:
        why = "the training rows are measured where run.metrics lists some"
        yield _idle(("run", "measure_train"), why, 'write for example metrics = ["accuracy"]')
    if "evaluate_every" in written and not any(c.startswith(_evaluated(each=each)) for c in columns):
        yield _idle(
            ("run", "evaluate_every"), "nothing is evaluated", "list run.metrics, or hold rows out with data.valid"
        )
    for key, length in (("record_every", "steps"), ("evaluate_every", "epochs"), ("checkpoint_every", "epochs")):
        longest = max((n for n in values_of(spec.run, length) if n), default=None)
        if key in written and longest and all(n and n > longest for n in values_of(spec.run, key)):
            yield _idle(("run", key), f"the longest run has {longest:,} {length}", "write less, or remove it")


def _recipe_problems(spec: Spec) -> Iterator[Diagnostic]:
    batch_sizes = {size for data in spec.sections["data"] for size in values_of(data, "batch_size")}
    if max(values_of(spec.run, "accumulate")) > 1 and batch_sizes == {"full"}:
        help_text = "write for example data.batch_size = 64"
        yield _idle(("run", "accumulate"), 'batch_size = "full" makes all rows one batch', help_text)
    if "bfloat16" in values_of(spec.run, "autocast") and set(values_of(spec.run, "dtype")) == {"float64"}:
        why = 'torch.autocast leaves dtype = "float64" as it is'
        yield _idle(("run", "autocast"), why, 'write dtype = "float32", or leave autocast out')


def _comparison_problems(spec: Spec) -> Iterator[Diagnostic]:
    for key in ("baseline", "candidates"):
        if getattr(spec.compare, key) and len(compared_labels(spec)) == 1:
            yield _idle(("compare", key), "there is no other alternative to compare it with", "remove it")


def _evaluated(*, each: bool) -> tuple[str, ...]:
    """Return the splits, as columns begin with them, that are measured at evaluations."""
    return tuple(f"{split}." for split in ((TRAIN, VALID, TEST) if each else (TRAIN, VALID)))


def _idle(path: Path, why: str, help_text: str) -> Idle:
    return Idle(path, f"has no effect, because {why}", help_text, "key")


def _written(spec: Spec, section: str) -> dict[str, Any]:
    written: dict[str, Any] = spec.document.data.get(section, {})
    return written
