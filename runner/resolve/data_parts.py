"""Which rows the data sets of a spec hold out, to choose by (`valid`) and to report (`test`); imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from xprun.plugins.registry import Registry
from xprun.runner.results.results_schema import TEST, VALID, Split
from xprun.specs import Alternative, Diagnostic, Spec
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.folds import K_FOLDS

Parts = frozenset[str]
LEAST = 1e-9  # of a share: that of one row in more than any table has
ROUNDING = 1e-9  # of shares that are added up


def parts_of(settings: Mapping[str, Any], own: Iterable[str] = ()) -> Parts:
    """Return the parts that settings hold out beside a data set's own.

    A part that both settings name chooses, and is not reported beside.
    """
    found = {*own, *(part for part in (VALID, TEST) if settings.get(part))}
    named_twice = isinstance(settings.get(TEST), str) and settings.get(TEST) == settings.get(VALID)
    folds = {VALID} if settings.get(K_FOLDS) else set()
    return frozenset((found - {TEST} if named_twice else found) | folds)


def with_folds(settings: dict[str, Any], written: Container[str]) -> dict[str, Any]:
    """Return the settings of a data set whose folds, where it has some, take the place of a share by default."""
    if not settings.get(K_FOLDS) or VALID in written or isinstance(settings[VALID], str):
        return settings
    return {**settings, VALID: 0.0}


def some_hold(spec: Spec, part: Split) -> bool:
    """Whether a run of a spec has this part."""
    return _over(any, spec, part)


def all_hold(spec: Spec, part: Split) -> bool:
    """Whether every run of a spec has this part."""
    return _over(all, spec, part)


def chooses_on_test(spec: Spec) -> bool:
    """Whether a data set of a spec is asked to choose by its official test part."""
    return any(TEST in values_of(data, VALID) for data in _data_of(spec))


def part_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield parts that a spec asks for although the data set brings its own, or that are the same rows twice.

    And shares that leave nothing to train on, and folds beside validation rows.
    """
    for data in _data_of(spec):
        for part in sorted(data.own_parts & set(data.written)):
            message = f"{data.name} brings its own {part} rows"
            yield Diagnostic((*data.path, part), message, f"leave {part} out", "key")
        if {VALID, TEST} <= set(data.written):
            same = [v for v in values_of(data, VALID) if isinstance(v, str) and v in values_of(data, TEST)]
            if same:
                help_text = f'write valid = 0.1 to choose by other rows, or leave {TEST} out to choose by "{same[0]}"'
                message = f'is "{same[0]}", as {VALID} is: the rows that choose cannot be reported, too'
                yield Diagnostic((*data.path, TEST), message, help_text)
        yield from _fold_problems(data)
        yield from _share_problems(data, spec)


def _fold_problems(data: Alternative) -> Iterator[Diagnostic]:
    folds = data.settings[K_FOLDS]
    if not folds:
        return
    own = VALID in data.own_parts or (VALID not in data.written and isinstance(data.settings[VALID], str))
    if own:
        message = f"{data.name} brings its own validation rows, which would be no fold"
        yield Diagnostic((*data.path, K_FOLDS), message, f"leave {K_FOLDS} out", "key")
    elif VALID in data.written and any(values_of(data, VALID)):
        message = f"{VALID} and {K_FOLDS} both say which rows choose"
        help_text = f"leave {VALID} out: each of the {folds} folds is held out in turn"
        yield Diagnostic((*data.path, K_FOLDS), message, help_text, "key")


def _share_problems(data: Alternative, spec: Spec) -> Iterator[Diagnostic]:
    """Yield shares that hold out all rows."""
    shares = ((VALID,), (TEST,))
    if any(condition.setting in shares for exclusion in spec.exclusions for condition in exclusion.conditions):
        return  # perhaps just those that are too large together; the run tells
    held_out = replace(data, axes=tuple(axis for axis in data.axes if axis.path in shares))
    for choice in choices_of(held_out):
        asked = {part: share for (part,) in shares if isinstance(share := choice.settings[part], float) and share}
        for part in (part for part, share in asked.items() if share < LEAST):
            message = f"{part} = {asked[part]:g} holds out no row of any data set"
            yield Diagnostic(
                (*data.path, part), message, f"hold out more, for example {part} = 0.15, or leave {part} out"
            )
            return
        if sum(asked.values()) > 1 - ROUNDING:
            written = " and ".join(f"{part} = {share:g}" for part, share in asked.items())
            message = f"{written} {'hold' if len(asked) > 1 else 'holds'} out all rows; nothing is left to train on"
            part = next((part for part in reversed(asked) if part in data.written), VALID)
            yield Diagnostic((*data.path, part), message, "hold out less, for example valid = 0.15 and test = 0.15")
            return


def note_on_new_parts(spec: Spec, registry: Registry) -> str | None:
    """Return what to know of data sets that chose by their official test part, where a spec does not say `valid`.

    For one release: until then their `valid` was "test".
    """
    changed = dict.fromkeys(
        data.name
        for data in _data_of(spec)
        if VALID not in data.written
        and not data.settings.get(K_FOLDS)
        and isinstance(data.settings.get(VALID), float)
        and registry.find(data.section, data.name).origin.source == "torchvision.datasets"
        and data.settings.get(TEST) == TEST
    )
    if not changed:
        return None
    whose, pronoun = (next(iter(changed)), "its") if len(changed) == 1 else (", ".join(changed), "their")
    return (
        f"{whose}: {pronoun} official test images are now reported as test.*, and a tenth of the training images is "
        "held out as valid.*, to choose by; write data.valid = 0.1 to hide this note, "
        'or valid = "test" to choose by the test images as before'
    )


def values_of(alternative: Alternative, key: str) -> list[Any]:
    """Return every value that a setting takes in an alternative."""
    swept = [axis.values for axis in alternative.axes if axis.path == (key,)]
    return list(swept[0]) if swept else [alternative.settings.get(key)]


def _data_of(spec: Spec) -> list[Alternative]:
    return [data for variant in spec.variants() for data in variant.sections["data"]]


def _over(quantifier: Callable[[Iterable[bool]], bool], spec: Spec, part: Split) -> bool:
    return quantifier(
        part in parts_of({VALID: valid, TEST: test, K_FOLDS: data.settings.get(K_FOLDS)}, data.own_parts)
        for data in _data_of(spec)
        for valid, test in product(values_of(data, VALID), values_of(data, TEST))
    )
