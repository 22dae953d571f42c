"""Which rows the data sets of a spec hold out, to choose by (`valid`) and to report (`test`); imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from xprun.plugins.registry import Registry
from xprun.runner.results.results_schema import TEST, VALID, Split
from xprun.specs import Alternative, Diagnostic, Spec

Parts = frozenset[str]


def parts_of(settings: Mapping[str, Any], own: Iterable[str] = ()) -> Parts:
    """Return the parts that settings hold out beside a data set's own.

    A part that both settings name chooses, and is not reported beside.
    """
    found = {*own, *(part for part in (VALID, TEST) if settings.get(part))}
    named_twice = isinstance(settings.get(TEST), str) and settings.get(TEST) == settings.get(VALID)
    return frozenset(found - {TEST} if named_twice else found)


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
    """Yield parts that a spec asks for although the data set brings its own, or that are the same rows twice."""
    for data in spec.sections["data"]:
        for part in sorted(data.own_parts & set(data.written)):
            message = f"{data.name} brings its own {part} rows"
            yield Diagnostic((*data.path, part), message, f"leave {part} out", "key")
        if {VALID, TEST} <= set(data.written):
            same = [v for v in values_of(data, VALID) if isinstance(v, str) and v in values_of(data, TEST)]
            if same:
                help_text = f'write valid = 0.1 to choose by other rows, or leave {TEST} out to choose by "{same[0]}"'
                message = f'is "{same[0]}", as {VALID} is: the rows that choose cannot be reported, too'
                yield Diagnostic((*data.path, TEST), message, help_text)


def note_on_new_parts(spec: Spec, registry: Registry) -> str | None:
    """Return what to know of data sets that chose by their official test part, where a spec does not say `valid`.

    For one release: until then their `valid` was "test".
    """
    changed = dict.fromkeys(
        data.name
        for data in _data_of(spec)
        if VALID not in data.written
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
        part in parts_of({VALID: valid, TEST: test}, data.own_parts)
        for data in _data_of(spec)
        for valid, test in product(values_of(data, VALID), values_of(data, TEST))
    )
