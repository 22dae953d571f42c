"""Looks up every name of a spec in the registry and checks every setting; imports no torch."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from xprun.plugins.registry import Component, Registry, UnknownComponentError
from xprun.plugins.signature import Setting
from xprun.runner.beside import SpecFileError, digest, file_beside
from xprun.runner.expect_check import expect_problems
from xprun.specs import Alternative, Axis, Problem, Spec, SpecError, count_runs
from xprun.specs.errors import Path
from xprun.specs.read import replaced
from xprun.specs.wording import at, did_you_mean, show, unknown_key, value_problems

MAX_RUNS = 100_000


def resolve(spec: Spec, registry: Registry, max_runs: int = MAX_RUNS) -> Spec:
    """Return the spec with typed settings, defaults filled in and sources identified.

    Raises SpecError with every name and setting that does not fit, or when the spec stands for too many runs.
    """
    _refuse_bombs(spec, max_runs)
    checker = _Checker(registry, spec.document.file)
    sections = {
        name: _distinct_labels(tuple(checker.alternative(a) for a in alternatives))
        for name, alternatives in spec.sections.items()
    }
    checker.metrics(spec)
    resolved = replace(spec, sections=sections)
    checker.problems += _compare_problems(resolved)
    checker.problems += expect_problems(resolved, columns_of(resolved))
    if not checker.problems:
        checker.problems += _stream_problems(resolved, registry)
    if checker.problems:
        raise SpecError(spec.document, checker.problems)
    return resolved


def columns_of(spec: Spec) -> list[str]:
    """Return the metric columns that the runs of a spec will have: `loss`, `valid.accuracy`, ..."""
    metrics = spec.run.settings.get("metrics", [])
    held_out = any(a.settings.get("valid") for a in spec.sections["data"])
    train = [f"train.{m}" for m in ("loss", *metrics)] if metrics else []
    valid = [f"valid.{m}" for m in ("loss", *metrics)] if held_out else []
    return ["loss", *train, *valid]


def _refuse_bombs(spec: Spec, max_runs: int) -> None:
    count = count_runs(spec)
    if count > max_runs:
        cure = f"make the sweeps smaller, or allow it: --max-runs {count}"
        raise SpecError(spec.document, [Problem((), f"stands for {count:,} runs, more than {max_runs:,}", cure)])


class _Checker:
    """Collects the problems of all alternatives while resolving them."""

    def __init__(self, registry: Registry, spec_file: str) -> None:
        self.registry, self.spec_file = registry, spec_file
        self.problems: list[Problem] = []
        self.fingerprints: list[str] = []

    def alternative(self, alternative: Alternative) -> Alternative:
        self.fingerprints = []
        component = self.find(alternative.section, alternative.name, alternative.path)
        if component is None:
            return alternative
        schema = component.schema
        swept = {str(axis.path[0]) for axis in alternative.axes}
        settings = self.table(schema, alternative.settings, alternative.path, component.name, skip=swept)
        axes = tuple(self.axis(schema, alternative, axis) for axis in alternative.axes if axis.path[0] in schema)
        for axis in axes:
            if len(axis.values):
                settings = replaced(settings, axis.path, axis.values[0])
        digest = hashlib.sha256("".join(sorted(set(self.fingerprints))).encode()).hexdigest()[:16]
        aside = frozenset(name for name, setting in schema.items() if not setting.is_identity)
        return replace(alternative, settings=settings, axes=axes, fingerprint=digest, aside=aside)

    def find(self, kind: str, name: str, path: Path) -> Component | None:
        try:
            component = self.registry.find(kind, name)
        except UnknownComponentError as error:
            article = "an" if kind[0] in "aeiou" else "a"
            message = f"there is no {kind} named {name!r}{did_you_mean(name, error.known)}"
            broken = "".join(f"\nbroken, and perhaps what is missing: {plugin}" for plugin in error.broken)
            cure = f"{article} {kind} is one of {_list(error.known)}{broken}"
            self.problems.append(Problem((*path, "name"), message, cure))
            return None
        self.fingerprints.append(component.fingerprint)
        return component

    def table(
        self,
        schema: dict[str, Setting],
        table: dict[str, Any],
        path: Path,
        owner: str,
        skip: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> dict[str, Any]:
        """Return a component's settings, typed, with defaults for those left out."""
        known = list(schema)
        self.problems += [unknown_key((*path, key), owner, known) for key in table if key not in schema]
        settings: dict[str, Any] = {}
        for name, setting in schema.items():
            if name in table:
                settings[name] = table[name] if name in skip else self.value(setting, table[name], (*path, name))
            elif setting.required:
                cure = f"{owner} takes {', '.join(known)}"
                self.problems.append(Problem(path, f"{owner} needs the setting {name!r}", cure, at="key"))
            else:
                settings[name] = setting.typed_default
        return settings

    def value(self, setting: Setting, value: Any, path: Path) -> Any:
        try:
            typed = setting.read(value)
        except ValidationError as error:
            self.problems += value_problems(error, path, value)
            return value
        if setting.is_file and typed is not None:
            return self.file(typed, path)
        return self.nested(setting.component_kind, typed, path) if setting.component_kind else typed

    def file(self, name: str, path: Path) -> str:
        """Return the name with the place of its file; what stands in the file is part of the alternative's identity."""
        try:
            found = file_beside(name, self.spec_file)
            self.fingerprints.append(f"{name} {digest(found.path)}")
        except SpecFileError as error:
            self.problems.append(Problem(path, str(error), error.cure))
            return name
        return found

    def nested(self, kind: str, value: Any, path: Path) -> Any:
        """Return a component inside a setting, or a list or table of them, with its own settings resolved."""
        if isinstance(value, list):
            return [self.nested(kind, item, (*path, i)) for i, item in enumerate(value)]
        if "name" not in value:
            if value and all(isinstance(item, dict) for item in value.values()):
                return {key: self.nested(kind, item, (*path, key)) for key, item in value.items()}
            if value:
                self.problems.append(Problem(path, f"does not name its {kind}", 'write { name = "..." }'))
            return value
        if not isinstance(value["name"], str):
            self.problems.append(Problem((*path, "name"), f"must be a text in quotes, not {show(value['name'])}"))
            return value
        component = self.find(kind, value["name"], path)
        if component is None:
            return value
        own = {key: inner for key, inner in value.items() if key != "name"}
        return {"name": component.name, **self.table(component.settings, own, path, component.name)}

    def axis(self, schema: dict[str, Setting], alternative: Alternative, axis: Axis) -> Axis:
        """Return the axis with typed values; a wrong one is reported where it stands in its grid."""
        top, *rest = axis.path
        values = []
        for i, value in enumerate(axis.values):
            whole = replaced(alternative.settings[str(top)], tuple(rest), value)
            before = len(self.problems)
            typed = self.value(schema[str(top)], whole, (*alternative.path, top))
            self._point_at_item(before, (*alternative.path, *axis.path), i)
            values.append(at(typed, tuple(rest)) if len(self.problems) == before else value)
        return Axis(axis.path, values)

    def _point_at_item(self, since: int, path: Path, i: int) -> None:
        for k in range(since, len(self.problems)):
            problem = self.problems[k]
            if problem.path[: len(path)] == path:
                item = (*path, "grid", i, *problem.path[len(path) :])
                self.problems[k] = replace(problem, path=item)

    def metrics(self, spec: Spec) -> None:
        for i, name in enumerate(spec.run.settings.get("metrics", [])):
            try:
                self.registry.find("metric", name)
            except UnknownComponentError as error:
                message = f"there is no metric named {name!r}{did_you_mean(name, error.known)}"
                self.problems.append(
                    Problem(("run", "metrics", i), message, f"a metric is one of {_list(error.known)}")
                )


def _compare_problems(spec: Spec) -> Iterator[Problem]:
    columns = columns_of(spec)
    metric, baseline = spec.compare.metric, spec.compare.baseline
    if metric is not None and metric not in columns:
        why = "the runs of this spec have no such result"
        yield Problem(("compare", "metric"), f"{why}{did_you_mean(metric, columns)}", f"they have {', '.join(columns)}")
    labels = [a.label or a.name for alternatives in spec.sections.values() for a in alternatives]
    if baseline is not None and baseline not in labels:
        message = f"no alternative is labelled {baseline!r}{did_you_mean(baseline, labels)}"
        yield Problem(("compare", "baseline"), message, f"there are {', '.join(labels)}")


def _stream_problems(spec: Spec, registry: Registry) -> Iterator[Problem]:
    """Yield what asks a stream for an end, which it has not: every step sees fresh rows."""
    for alternative in spec.sections["data"]:
        if registry.find("data", alternative.name).returns == "Stream":
            why = f"{alternative.name} draws fresh rows at every step"
            if spec.run.settings.get("steps") is None:
                yield Problem(("run", "epochs"), f"{why}, so no epoch of it ends", "write steps = 1000", at="key")
            if alternative.settings["batch_size"] == "full":
                yield Problem((*alternative.path, "batch_size"), f"{why}: there is no full batch", "write a number")
            for key in ("valid", "standardise"):
                if alternative.settings[key]:
                    yield Problem((*alternative.path, key), f"{why}: it has no rows to do that with", "leave it out")


def _distinct_labels(alternatives: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
    """Return the alternatives with labels that differ: `SGD momentum=0.9` where two are called SGD."""
    labels = [a.label or a.name for a in alternatives]
    twice = {label for label, n in Counter(labels).items() if n > 1}
    detailed = [
        f"{label} {_difference(a, alternatives)}".strip() if label in twice else label
        for a, label in zip(alternatives, labels, strict=True)
    ]
    seen: Counter[str] = Counter()
    final = []
    for label in detailed:
        seen[label] += 1
        final.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return tuple(replace(a, label=label) for a, label in zip(alternatives, final, strict=True))


def _difference(alternative: Alternative, among: tuple[Alternative, ...]) -> str:
    """Return the plain settings written in an alternative that differ from those of its namesakes."""
    namesakes = [a for a in among if a.name == alternative.name]
    swept = {axis.path[0] for a in namesakes for axis in a.axes}
    parts = [
        f"{key}={alternative.settings[key]}"
        for key in alternative.written
        if key not in swept
        and isinstance(alternative.settings.get(key), str | int | float)
        and len({str(a.settings.get(key)) for a in namesakes}) > 1
    ]
    return " ".join(parts)


def _list(names: list[str], most: int = 40) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
