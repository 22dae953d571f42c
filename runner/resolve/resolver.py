"""Looks up every name of a spec in the registry and checks every setting; without torch, but for manual gradients."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError
from xprun.plugins.component_reads import reads_of
from xprun.plugins.kinds import PLOT_RECEIVES, SEARCH_RECEIVES
from xprun.plugins.look_alikes import look_alikes
from xprun.plugins.python_packages import release_of
from xprun.plugins.registry import Component, Registry, UnknownComponentError
from xprun.plugins.signature import Setting, positional_names
from xprun.runner.resolve.backend_checks import backend_problems
from xprun.runner.resolve.class_weight_checks import class_weight_problems
from xprun.runner.resolve.component_checks import component_problems
from xprun.runner.resolve.data_parts import part_problems, some_hold, values_of, with_folds
from xprun.runner.resolve.expectation_checks import MEASURED, expect_problems
from xprun.runner.resolve.forgotten_plugins import advice
from xprun.runner.resolve.ineffective_settings import idle_problems, is_idle
from xprun.runner.resolve.made_of import MadeOf
from xprun.runner.resolve.misplaced_settings import at_home, section_problems
from xprun.runner.resolve.named_results import (
    by_time_problems,
    choosing_columns,
    chosen_by_test,
    curve_problems,
    goal_problems,
    goals_that_differ,
    save_problems,
    stop_problems,
    target_problems,
)
from xprun.runner.resolve.objective_sections import objective_problems, with_brought_sections
from xprun.runner.resolve.parameter_groups import group_problems
from xprun.runner.resolve.run_setting_checks import (
    line_search_problems,
    nesterov_problems,
    observer_problems,
    recipe_problems,
)
from xprun.runner.resolve.scheduler_checks import scheduler_problems
from xprun.runner.resolve.search_checks import search_problems
from xprun.runner.resolve.spec_files import SpecFileError, digest, find_folder, find_spec_file
from xprun.runner.resolve.summed_losses import some_are_sums
from xprun.runner.resolve.target_checks import target_problems_of
from xprun.runner.resolve.training_rows import (
    cure,
    measure_train_problems,
    measures_all_train,
    measures_train,
    plot_problems,
)
from xprun.runner.resolve.transform_checks import transform_problems
from xprun.runner.results import results_schema
from xprun.runner.results.results_schema import LOSS, LOSS_PER_ROW, STEPS_TO_TARGET, TEST, TRAIN, VALID
from xprun.specs import Alternative, Axis, Diagnostic, Document, Spec, SpecError, count_grid
from xprun.specs.language.ablations import Ablation
from xprun.specs.language.comparison import compared, compared_labels, swept_settings
from xprun.specs.language.confirmation import confirm_problems, count_confirmation
from xprun.specs.language.diagnostics import Diagnostics
from xprun.specs.language.dotted_paths import Path, at, dotted, replaced
from xprun.specs.language.expansion import all_combinations
from xprun.specs.language.filters import exclusion_problems, unknown_conditions
from xprun.specs.language.folds import FOLD, K_FOLDS
from xprun.specs.language.follow_ons import concluded_from
from xprun.specs.language.identity import NOT_IDENTITY
from xprun.specs.language.keywords import LISTED, WORDS
from xprun.specs.language.listed_diagnostics import gathered
from xprun.specs.language.overrides import as_alternatives, names_in
from xprun.specs.language.parser import complete_run, point_at_item, united
from xprun.specs.language.repeats import is_repeat
from xprun.specs.language.schema import PROBLEM_SECTION, REQUIRED_SECTIONS, TORCH, Compare, Metric, Plot, RunSettings
from xprun.specs.language.searches import SEARCH_SECTION, Search
from xprun.specs.language.wording import did_you_mean, listed, quoted, show, unknown_key, value_problems

MAX_RUNS = 100_000
KNOWN_HOMES = ("xprun", "torch", "torchvision")  # of components of which it is known what they do with a string
Result = TypeVar("Result")


def resolve(spec: Spec, registry: Registry, max_runs: int = MAX_RUNS) -> Spec:
    """Return the spec with typed settings, defaults filled in and sources identified.

    Raises SpecError with everything that is wrong with the spec, its structure included, or when it stands for too
    many runs, those on fresh seeds included.
    """
    if PROBLEM_SECTION in spec.document.data:
        return _resolve_listing(spec, registry, max_runs)
    spec = with_brought_sections(spec, registry)
    problems = Diagnostics(spec.document)
    problems += spec.problems
    problems += section_problems(spec, registry)
    problems += objective_problems(spec, registry)
    problems += _bomb_problems(spec, max_runs)
    if count_grid(spec) + count_confirmation(spec) > max_runs:
        raise SpecError(spec.document, problems)
    checker = _Checker(registry, problems, spec.document.file)
    sections = {
        name: _distinct_labels(tuple(checker.alternative(a) for a in alternatives), spec.document)
        for name, alternatives in spec.sections.items()
    }
    problems += _look_alike_problems(sections)
    problems += observer_problems(spec, registry)
    resolved = replace(spec, sections=sections, run=complete_run(checker.run(spec.run), problems))
    resolved = replace(resolved, compare=checker.compare(spec.compare), search=checker.search(spec.search))
    resolved = checker.ablations(resolved)
    problems += _compare_problems(resolved)
    problems += _exclusion_problems(resolved)
    columns = columns_of(resolved)
    problems += expect_problems(resolved, columns)
    found = _problems_between_settings(resolved, registry, columns, _wrong_sections(spec, problems))
    problems += (one for one in found if not _is_note(one, spec))
    resolved = replace(resolved, notes=tuple(one for one in found if _is_note(one, spec)))
    if problems:
        raise SpecError(spec.document, at_home(problems, spec, registry))
    return resolved


def _resolve_listing(spec: Spec, registry: Registry, max_runs: int) -> Spec:
    """Return a spec with each of its problems resolved, as a spec of its own."""
    problems = Diagnostics(spec.document)
    problems += spec.problems
    problems += section_problems(spec, registry)
    if count_grid(spec) + count_confirmation(spec) > max_runs:
        problems += _bomb_problems(spec, max_runs)
        raise SpecError(spec.document, problems)
    resolved: list[Spec] = []
    wrong: dict[int, list[Diagnostic]] = {}
    for number, part in zip(spec.document.listed, spec.listed, strict=True):
        try:
            resolved.append(resolve(part, registry, max_runs))
            wrong[number] = []
        except SpecError as error:
            wrong[number] = error.problems
    problems += gathered(spec.document, wrong)
    if problems:
        raise SpecError(spec.document, problems)
    whole = replace(united(spec, tuple(resolved)), search=resolved[0].search)
    notes = gathered(spec.document, {n: part.notes for n, part in zip(wrong, resolved, strict=True)})
    whole = replace(whole, notes=tuple(note for note in notes if not _has_effect_elsewhere(note, spec)))
    problems += goals_that_differ([(part.problem, metrics_of(part), part.compare) for part in resolved])
    problems += expect_problems(whole, list(dict.fromkeys(name for part in resolved for name in columns_of(part))))
    if problems:
        raise SpecError(spec.document, problems)
    return whole


def _has_effect_elsewhere(note: Diagnostic, spec: Spec) -> bool:
    """Whether a setting without effect on a problem is said for all problems, on some of which it has one."""
    listed = spec.document.listed
    return note.path[0] == PROBLEM_SECTION and listed[int(note.path[1])].is_of_all(note.path[2:])


def _problems_between_settings(spec: Spec, registry: Registry, columns: list[str], wrong: set[str]) -> list[Diagnostic]:
    """Return what is wrong between settings each of which is right by itself.

    `wrong` are the sections in which something is wrong already: what needs these is asked when they are right.
    """
    components = set(spec.sections)
    questions: list[tuple[set[str], Callable[[], Iterable[Diagnostic]]]] = [
        (
            {*components, "run", "exclude", "ablate"},
            lambda: exclusion_problems(spec.exclusions, all_combinations(spec)),
        ),
        ({"data", "loss", "run"}, lambda: part_problems(spec)),
        ({*components, "run", "compare", "ablate"}, lambda: idle_problems(spec, columns)),
        ({"data", "run"}, lambda: _stream_problems(spec, registry)),
        (components, lambda: component_problems(spec, registry)),
        ({"data", "loss"}, lambda: class_weight_problems(spec, registry)),
        ({"data"}, lambda: transform_problems(spec, registry)),
        ({"data", "loss"}, lambda: target_problems_of(spec)),
        ({"data", "optimizer", "scheduler", "run"}, lambda: scheduler_problems(spec, registry)),
        ({"model", "optimizer"}, lambda: group_problems(spec, registry)),
        ({"run", "confirm"}, lambda: confirm_problems(spec)),
        ({*components, "run", "compare", "ablate", "search"}, lambda: search_problems(spec, registry)),
        ({"optimizer", "run"}, lambda: line_search_problems(spec)),
        ({"optimizer"}, lambda: nesterov_problems(spec)),
        ({"data", "run"}, lambda: stop_problems(spec, columns)),
        ({"data", "run", "compare"}, lambda: save_problems(spec, columns)),
        ({"data", "run", "compare"}, lambda: goal_problems(spec, compared_metric(spec))),
        ({"run"}, lambda: recipe_problems(spec)),
        ({"run"}, lambda: measure_train_problems(spec)),
        ({"run", "compare"}, lambda: plot_problems(spec)),
        ({*components, "run", "exclude", "ablate"}, lambda: backend_problems(spec, registry)),
    ]
    asked = [ask() for needed, ask in questions if not needed & wrong]
    return list(dict.fromkeys(problem for problems in asked for problem in problems))


def _is_note(problem: Diagnostic, spec: Spec) -> bool:
    """Whether a problem is no more than a setting without effect which the spec has inherited."""
    return is_idle(problem) and spec.document.is_inherited(problem.path)


def _wrong_sections(spec: Spec, problems: list[Diagnostic]) -> set[str]:
    missing = [section for section in REQUIRED_SECTIONS if section not in spec.document.data]
    return {*missing, *(str(problem.path[0]) for problem in problems if problem.path)}


def metrics_of(spec: Spec) -> list[results_schema.Metric]:
    """Return what is measured of the runs of a resolved spec: `loss`, `train.accuracy`, `valid.accuracy`, ..."""
    scalars = [metric for metric in _asked_metrics(spec.run) if metric.goal != "none"]
    train = [TRAIN] if scalars and measures_train(spec.run) else []
    splits = [*train, *(split for split in (VALID, TEST) if some_hold(spec, split))]
    losses = [LOSS, *([LOSS_PER_ROW] if some_are_sums(spec) else [])]
    measured: dict[str, Any] = dict.fromkeys(losses, "min") | {metric.column: metric.goal for metric in scalars}
    return [
        *(results_schema.Metric(name, "min", is_loss=True) for name in losses),
        *(results_schema.metric_of(split, name, goal) for split in splits for name, goal in measured.items()),
    ]


def most_telling(metrics: list[results_schema.Metric]) -> str:
    """Return the first metric of the held-out rows, or of the training rows; their loss when there is no other."""
    held_out = [metric for metric in metrics if metric.split == VALID]
    candidates = held_out or [metric for metric in metrics if metric.split == TRAIN] or metrics[:1]
    return next((metric for metric in candidates if not metric.is_loss), candidates[0]).name


def compared_metric(spec: Spec) -> results_schema.Metric:
    """Return the metric by which the runs of a resolved spec are compared, or timed."""
    metrics, compare = metrics_of(spec), spec.compare
    name = compare.target_metric if compare.metric == STEPS_TO_TARGET else compare.metric
    return next(metric for metric in metrics if metric.name == (name or most_telling(metrics)))


def matrices_of(spec: Spec) -> list[results_schema.Matrix]:
    """Return which matrices the runs of a resolved spec end with: `valid.confusion`, ..."""
    train = [TRAIN] if measures_all_train(spec.run) else []
    splits = [*train, *(split for split in (VALID, TEST) if some_hold(spec, split))]
    asked = [metric for metric in _asked_metrics(spec.run) if metric.goal == "none"]
    return [results_schema.matrix_of(split, metric.column, metric.name) for split in splits for metric in asked]


def columns_of(spec: Spec) -> list[str]:
    """Return the metrics that the runs of a resolved spec will have: `loss`, `valid.accuracy`, ..."""
    return [metric.name for metric in metrics_of(spec)]


def _asked_metrics(run: Alternative) -> list[Metric]:
    """Return the metrics of `[run]`; there are none where they are not well written, which reading has told."""
    try:
        return RunSettings.model_validate({"metrics": run.settings.get("metrics", [])}).metrics
    except ValidationError:
        return []


def _bomb_problems(spec: Spec, max_runs: int) -> Iterator[Diagnostic]:
    count = count_grid(spec)
    confirming = count_confirmation(spec)
    if count + confirming > max_runs >= count:
        runs = f"the spec expands to {count:,} runs and up to {confirming:,} more on fresh seeds"
        help_text = f"use fewer seeds, or raise the limit: --max-runs {count + confirming}"
        yield Diagnostic(("confirm", "seeds"), f"{runs}, more than the limit of {max_runs:,}", help_text)
    elif count > max_runs:
        axes = [(axis.inside(a), len(axis.values)) for a in spec.alternatives for axis in a.axes]
        largest = max([*axes, (("run", "seeds"), 1)], key=lambda axis: axis[1])[0]
        help_text = f"use smaller sweeps, or raise the limit: --max-runs {count}"
        yield Diagnostic(largest, f"the spec expands to {count:,} runs, more than the limit of {max_runs:,}", help_text)


class _Checker:
    """Collects the problems of all alternatives while resolving them."""

    owner: Component | None = None  # whose settings are being checked

    def __init__(self, registry: Registry, problems: Diagnostics, spec_file: str) -> None:
        self.registry, self.problems, self.spec_file = registry, problems, spec_file
        self.made_of = MadeOf()

    def alternative(self, alternative: Alternative) -> Alternative:
        self.made_of = MadeOf()
        component = self.find(alternative.section, alternative.name, alternative.path)
        if component is None:
            return alternative
        self.owner, schema = component, self.with_fold(component.schema, alternative)
        alternative = self.closed(schema, alternative)
        swept = {axis.key for axis in alternative.axes}
        settings = self.table(schema, alternative.settings, alternative.path, component.name, skip=swept)
        for key in swept & schema.keys():
            path = (*alternative.path, key)
            settings[key], _ = self.apart(lambda: self.value(schema[key], alternative.settings[key], path))  # noqa: B023
        settings = {
            name: v for name, v in settings.items() if v or not (name in schema and schema[name].is_by_parameter)
        }
        axes = tuple(self.axis(schema, alternative, axis) for axis in alternative.axes if axis.key in schema)
        if alternative.section == "data":
            settings = with_folds(settings, alternative.written)
        return replace(
            alternative,
            settings=settings,
            axes=axes,
            fingerprint=self.made_of.digest,
            reads=self.made_of.listed,
            not_read=tuple(self.made_of.unknown),
            cache_neutral=frozenset(name for name, setting in schema.items() if not setting.is_identity),
            absent_by_default={
                n: setting.typed_default for n, setting in schema.items() if setting.is_absent_by_default
            },
            defaults={n: schema[n].typed_default for n in swept if n in schema and not schema[n].required},
            ordered=frozenset(name for name, setting in schema.items() if setting.is_by_parameter),
            own_parts=frozenset(component.parts),
            sums=component.sums,
        )

    def with_fold(self, schema: dict[str, Setting], alternative: Alternative) -> dict[str, Setting]:
        """Return the schema with the fold that is held out, where a data set has some."""
        has_folds = alternative.section == "data" and FOLD in {axis.key for axis in alternative.axes}
        return {**schema, FOLD: Setting(FOLD, int)} if has_folds else schema

    def closed(self, schema: dict[str, Setting], alternative: Alternative) -> Alternative:
        """Return the alternative in which a list that came with `--set` is a sweep or a value, whichever fits."""
        for axis in alternative.axes:
            if axis.is_open and axis.key in schema:
                whole = alternative.with_value(axis)
                path = (*alternative.path, axis.key)
                _, wrong = self.apart(lambda: self.value(schema[axis.key], whole.settings[axis.key], path))  # noqa: B023
                is_list = not any(problem.path == path for problem in wrong)  # whatever is wrong in it
                if not wrong or (is_list and not self.all_fit(schema, alternative, axis)):
                    alternative = whole
                elif not axis.values:
                    self.problems.append(Diagnostic((*alternative.path, *axis.path), "this list has no values"))
        return alternative

    def all_fit(self, schema: dict[str, Setting], alternative: Alternative, axis: Axis) -> bool:
        """Whether each value of an axis fits its setting."""
        wrong = (self.apart(lambda: self.one_value(schema, alternative, axis, value))[1] for value in axis.values)  # noqa: B023
        return not any(wrong)

    def apart(self, check: Callable[[], Result]) -> tuple[Result, Diagnostics]:
        """Return what a check returns, and what it finds wrong, which is added to no other problems."""
        before, self.problems = self.problems, Diagnostics(self.problems.document)
        try:
            return check(), self.problems
        finally:
            self.problems = before

    def find(self, kind: str, name: str, path: Path, place: Path | None = None) -> Component | None:
        try:
            component = self.registry.find(kind, name)
        except UnknownComponentError as error:
            noun = "data set" if kind == "data" else kind
            article = "an" if noun[0] in "aeiou" else "a"
            forgotten = advice(kind, name, FilePath(self.spec_file)) if not error.why else ""
            instead = f": {error.why}" if error.why else "" if forgotten else did_you_mean(name, error.known)
            message = f"there is no {noun} named {quoted(name)}{instead}"
            broken = "".join(f"\nbroken plugin, perhaps the missing one: {plugin}" for plugin in error.broken)
            names = [*error.known, *([TORCH] if kind == "backend" else [])]
            known = f"{article} {noun} is one of {listed(name, names, f'xprun ls {kind}')}{broken}"
            help_text = self.several(kind, name, path) or forgotten or known
            self.problems.append(Diagnostic(place or (*path, "name"), message, help_text))
            return None
        self.made_of.add(component.fingerprint, reads_of(self.registry, component))
        return component

    def several(self, kind: str, name: str, path: Path) -> str:
        """Return how several components are written, where a name holds those of several; nothing where it does not."""
        names = names_in(name)
        if not names or path[:1] != (kind,) or len([part for part in path if isinstance(part, str)]) > 1:
            return f"write each in quotes of its own: {show(names)}" if names else ""
        from_command_line = self.problems.document.set_key((*path, "name"))
        written = as_alternatives(kind, names) if from_command_line else f"[[{kind}]] once for each"
        return f"each is an alternative: write {written}"

    def table(
        self,
        schema: dict[str, Setting],
        table: dict[str, Any],
        path: Path,
        owner: str,
        skip: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> dict[str, Any]:
        """Return a component's settings, typed, with defaults for those left out."""
        known = [name for name in schema if name != FOLD]
        self.problems += (unknown_key((*path, key), owner, known) for key in table if key not in schema)
        settings: dict[str, Any] = {}
        for name, setting in schema.items():
            if name in table:
                settings[name] = table[name] if name in skip else self.value(setting, table[name], (*path, name))
            elif setting.required:
                help_text = f"{owner} takes {listed(name, known)}"
                self.problems.append(Diagnostic(path, f"{owner} needs the setting {name!r}", help_text, at="key"))
            else:
                default = setting.typed_default
                is_folder = setting.is_folder and isinstance(default, str)
                settings[name] = self.folder(default, (*path, name)) if is_folder else default
                if isinstance(default, str) and not is_folder:
                    self.name_unread(setting, default)
        return settings

    def value(self, setting: Setting, value: Any, path: Path) -> Any:
        try:
            typed = setting.read(value)
        except ValidationError as error:
            self.problems += (
                _with_example(problem, setting, path, value) for problem in value_problems(error, path, value)
            )
            return value
        if setting.is_file and typed is not None:
            return self.file(typed, path)
        if setting.is_folder and isinstance(typed, str):
            return self.folder(typed, path)
        if isinstance(typed, str):
            self.name_unread(setting, typed)
        if setting.is_by_parameter:
            return {pattern: self.group(table, (*path, pattern)) for pattern, table in typed.items()}
        return self.nested(setting.component_kind, typed, path) if setting.component_kind else typed

    def file(self, name: str, path: Path) -> str:
        """Return the name with the place of its file; what stands in the file is part of the alternative's identity."""
        try:
            found = find_spec_file(name, self.problems.document.home(path))
            found.digest = digest(found.path)
            self.made_of.reads[name] = found.digest
        except SpecFileError as error:
            self.problems.append(Diagnostic(path, str(error), error.help))
            return name
        return found

    def folder(self, name: str, path: Path) -> str:
        """Return the name of a folder; the files in it are part of the alternative's identity."""
        try:
            found = find_folder(name)
        except SpecFileError as error:
            self.problems.append(Diagnostic(path, str(error), error.help))
            return name
        if found.digest:
            self.made_of.reads[f"{name}/"] = found.digest
        return found

    def name_unread(self, setting: Setting, value: str) -> None:
        """Note a file or a folder that a setting names to a component of the user's, without saying that it does."""
        if self.owner is None or self.owner.origin.module.partition(".")[0] in KNOWN_HOMES:
            return
        if value and os.path.exists(value):  # noqa: PTH110 - any text, which need not be a path
            whose = f"the setting {setting.name} of {self.owner.name}"
            self.made_of.unknown[f"{value}, which {whose} names (SpecFile and Folder are looked at)"] = None

    def group(self, table: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return the settings of the owner that a group of parameters has of its own, typed."""
        assert self.owner is not None
        own, name = self.owner.settings, self.owner.name
        if not table:
            help_text = f"{name} takes {listed('', own)}"
            self.problems.append(Diagnostic(path, "changes no setting", help_text, "key"))
        self.problems += (unknown_key((*path, key), name, list(own)) for key in table if key not in own)
        return {key: self.value(own[key], value, (*path, key)) for key, value in table.items() if key in own}

    def nested(self, kind: str, value: Any, path: Path) -> Any:
        """Return a component inside a setting, or a list or table of them, with its own settings resolved."""
        if isinstance(value, list):
            return [self.nested(kind, item, (*path, i)) for i, item in enumerate(value)]
        if "name" not in value:
            if value and all(isinstance(item, dict) for item in value.values()):
                return {key: self.nested(kind, item, (*path, key)) for key, item in value.items()}
            if value:
                self.problems.append(Diagnostic(path, f"names no {kind}", 'write { name = "..." }'))
            return value
        if not isinstance(value["name"], str):
            self.problems.append(Diagnostic((*path, "name"), f"must be a string, not {show(value['name'])}"))
            return value
        component = self.find(kind, value["name"], path)
        if component is None:
            return value
        is_rule = positional_names(component.signature)[:1] == ("w",) and component.origin.source != "torch.optim"
        if kind == "optimizer" and is_rule:
            help_text = "name one of torch.optim, or a class"
            message = f"{component.name} is an update rule, and another optimizer can only wrap a class"
            self.problems.append(Diagnostic((*path, "name"), message, help_text))
        own = {key: inner for key, inner in value.items() if key != "name"}
        return {"name": component.name, **self.present(component, component.settings, own, path)}

    def present(
        self, component: Component, schema: dict[str, Setting], table: dict[str, Any], path: Path
    ) -> dict[str, Any]:
        """Return the settings of a component in a list or a setting, but those that are as good as absent."""
        settings = self.table(schema, table, path, component.name)
        absent = {n for n in settings if schema[n].is_absent_by_default and settings[n] == schema[n].typed_default}
        return {name: value for name, value in settings.items() if name not in absent}

    def axis(self, schema: dict[str, Setting], alternative: Alternative, axis: Axis) -> Axis:
        """Return the axis with typed values; a wrong one is reported where it stands in its sweep."""
        typed = []
        for i, value in enumerate(axis.values if axis.options is None else axis.options):
            one, wrong = self.apart(lambda: self.one_value(schema, alternative, axis, value))  # noqa: B023
            own = _not_of_others(wrong, alternative, axis)
            own = [_of_computed(problem) for problem in own] if axis.options is None else own
            own = [replace(problem, meant=None) for problem in own] if axis.is_open else own
            self.problems += point_at_item(own, axis.inside(alternative), axis, i)
            typed.append(one)
            if wrong and axis.options is None:
                break
        if axis.options is None:
            return replace(axis, values=typed)
        by_option = {id(option): one for option, one in zip(axis.options, typed, strict=True)}
        return replace(axis, values=[by_option[id(value)] for value in axis.values])

    def one_value(self, schema: dict[str, Setting], alternative: Alternative, axis: Axis, value: Any) -> Any:
        """Return one value of an axis, typed; it may lie deep in a setting, which is checked as a whole."""
        rest = axis.path[1:]
        whole = replaced(alternative.settings[axis.key], rest, value)
        typed = self.value(schema[axis.key], whole, (*alternative.path, axis.key))
        return value if self.problems else at(typed, rest)

    def run(self, run: Alternative) -> Alternative:
        """Return `[run]` with its metrics resolved; their sources are part of its fingerprint."""
        run = replace(run, frameworks=self.frameworks(run))
        self.made_of = MadeOf()
        metrics = _asked_metrics(run)
        if not metrics:
            return run
        resolved = [
            self.metric(metric, ("run", "metrics", i), as_name=isinstance(run.settings["metrics"][i], str))
            for i, metric in enumerate(metrics)
        ]
        labels = [metric["label"] for metric in resolved]
        twice = [label for label, n in Counter(labels).items() if n > 1]
        for first, label in look_alikes(labels):
            message = f"{label!a} looks like {first!a}"
            self.problems.append(Diagnostic(("run", "metrics", labels.index(label)), message, "write another label"))
        if twice:
            help_text = 'give each a label: { name = "...", label = "..." }'
            self.problems.append(Diagnostic(("run", "metrics"), f"two metrics are named {quoted(twice[0])}", help_text))
        return replace(
            run,
            settings={**run.settings, "metrics": resolved},
            fingerprint=self.made_of.digest,
            reads=self.made_of.listed,
            not_read=tuple(self.made_of.unknown),
        )

    def frameworks(self, run: Alternative) -> dict[str, dict[str, str]]:
        """Return of what each backend but torch is made: a hash of its source, and versions of packages, by name."""
        found = {}
        for name in dict.fromkeys(value for value in values_of(run, "backend") if isinstance(value, str)):
            self.made_of = MadeOf()
            component = None if name == TORCH else self.find("backend", name, ("run", "backend"), ("run", "backend"))
            if component:
                versions = {package: release_of(package) for package in component.packages}
                found[name] = {f"the backend {name}": self.made_of.digest, **versions}
        return found

    def metric(self, metric: Metric, path: Path, *, as_name: bool) -> dict[str, Any]:
        """Return the name, label, goal and settings of a metric that stands at `path`, as its mere name or a table."""
        known = {"name": metric.name, "label": metric.column}
        component = self.find("metric", metric.name, path, path if as_name else None)
        if component is None:
            return known
        written = metric.settings | ({"goal": metric.goal} if "goal" in metric.model_fields_set else {})
        settings = self.present(component, component.schema, written, path)
        if component.check:
            own = {name: settings.get(name, setting.typed_default) for name, setting in component.settings.items()}
            place = path if as_name else (*path, "name")
            self.problems += (Diagnostic(place, message) for _, message in component.faults_of(own))
        return {**known, "goal": component.goal, **settings}

    def compare(self, compare: Compare) -> Compare:
        """Return `[compare]` with its plots resolved."""
        plots = [self.plot(plot, ("compare", "plots", i)) for i, plot in enumerate(compare.plots)]
        return compare.model_copy(update={"plots": plots})

    def search(self, search: Search | None) -> Search | None:
        """Return `[search]` with its settings typed and what starts it; it may ask for what searches are given."""
        component = self.find("search", search.name, (SEARCH_SECTION,)) if search else None
        if search is None or component is None:
            return search
        for name in positional_names(component.signature):
            if name not in SEARCH_RECEIVES:
                message = f"{search.name} has an unknown parameter {quoted(name)}{did_you_mean(name, SEARCH_RECEIVES)}"
                help_text = f"searches are given {' and '.join(SEARCH_RECEIVES)}"
                self.problems.append(Diagnostic((SEARCH_SECTION, "name"), message, help_text))
        before = len(self.problems)
        settings = self.table(component.settings, search.settings, (SEARCH_SECTION,), component.name)
        if len(self.problems) > before:
            return replace(search, settings=settings)
        faults = component.faults_of(settings)
        self.problems += (Diagnostic((SEARCH_SECTION, key), message) for key, message in faults)
        return Search(search.name, settings, None if faults else component.load())

    def plot(self, plot: Plot, path: Path) -> Plot:
        """Return a plot with its settings typed; it may ask for what plots are given, and for nothing else."""
        component = self.find("plot", plot.name, path, None if plot.settings else path)
        if component is None:
            return plot
        wanted = [name for name in positional_names(component.signature) if name not in PLOT_RECEIVES]
        for name in wanted:
            message = f"{plot.name} has an unknown parameter {quoted(name)}{did_you_mean(name, PLOT_RECEIVES)}"
            self.problems.append(Diagnostic(path, message, f"plots are given {', '.join(PLOT_RECEIVES)}"))
        settings = self.table(component.settings, plot.settings, path, component.name)
        return Plot.model_validate({"name": plot.name, "label": plot.label, **settings})

    def ablations(self, spec: Spec) -> Spec:
        """Return the spec with its ablations resolved, each of which changes something."""
        ablations = []
        for ablation in spec.ablations:
            resolved = self.ablation(ablation, {a.path: a for a in spec.alternatives})
            ablations.append(resolved)
            spec = _showing(spec, resolved)
        return replace(spec, ablations=tuple(_showing_all(a, ablations) for a in ablations))

    def ablation(self, ablation: Ablation, bases: dict[Path, Alternative]) -> Ablation:
        if ablation.section == "run" and ablation.setting[0] in NOT_IDENTITY:
            self.problems.append(
                Diagnostic(ablation.path, f"{ablation.setting[0]} does not affect any result", "remove it", "key")
            )
            return ablation
        changed: list[Alternative] = []
        refused: list[Diagnostic] = []
        for alternative in ablation.alternatives:
            typed, wrong = self.apart(lambda: self.changed(alternative))  # noqa: B023
            moved = [problem for one in wrong for problem in ablation.moved(one, alternative)]
            base = bases.get(alternative.path)
            if moved:
                refused += moved
            elif base and (typed.settings, typed.axes) != (base.settings, base.axes):
                relabelled = self.relabelled(typed, base, ablation)
                if any(one.label == relabelled.label and one.settings != typed.settings for one in changed):
                    relabelled = replace(relabelled, label=f"{relabelled.label} (was {base.label or base.name})")
                changed.append(relabelled)
        if refused and not changed:
            self.problems += refused
        elif ablation.alternatives and not changed and not self.problems:
            what = f"{dotted((ablation.section, *ablation.setting))} is already {show(ablation.value)}"
            self.problems.append(
                Diagnostic(ablation.path, f"has no effect: {what}", "write another value, or remove it")
            )
        return replace(ablation, alternatives=tuple(changed))

    def relabelled(self, changed: Alternative, base: Alternative, ablation: Ablation) -> Alternative:
        """Return a changed alternative called as its base and the change, which is told once: `SGD momentum=0.0`."""
        document, key = self.problems.document, dotted(ablation.setting)
        before = base.label or base.name
        if len(ablation.setting) == 1:
            written = base.settings.get(str(ablation.setting[0]))
            before = before.replace(f" {key}={_short(written, document, (*base.path, *ablation.setting))}", "")
        label = f"{before} {key}={_written(document, ablation.path, ablation.value)}"
        one_value = not isinstance(ablation.value, dict | list)
        return replace(changed, label=label, told=frozenset([ablation.setting] if one_value else []))

    def changed(self, alternative: Alternative) -> Alternative:
        if alternative.section == "run":
            return complete_run(self.run(alternative), self.problems)
        return self.alternative(alternative)


def _showing(spec: Spec, ablation: Ablation) -> Spec:
    """Return the spec in which tables show a setting that an ablation changes."""
    if ablation.section == "run":
        return replace(spec, run=_showing_setting(spec.run, ablation))
    shown = tuple(_showing_setting(a, ablation) for a in spec.sections[ablation.section])
    return replace(spec, sections={**spec.sections, ablation.section: shown})


def _showing_all(ablation: Ablation, others: list[Ablation]) -> Ablation:
    alternatives = ablation.alternatives
    for other in others:
        if other.section == ablation.section:
            alternatives = tuple(_showing_setting(a, other) for a in alternatives)
    return replace(ablation, alternatives=alternatives)


def _showing_setting(alternative: Alternative, ablation: Ablation) -> Alternative:
    if ablation.setting[0] not in alternative.settings:
        return alternative
    return replace(alternative, shown=(*alternative.shown, ablation.setting))


def _not_of_others(problems: Diagnostics, alternative: Alternative, axis: Axis) -> list[Diagnostic]:
    """Return the problems that are not those of another axis in the same setting, which reports them itself."""
    others = [other.inside(alternative) for other in alternative.axes if other is not axis]
    return [p for p in problems if not any(p.path[: len(other)] == other for other in others)]


def _with_example(problem: Diagnostic, setting: Setting, path: Path, value: Any) -> Diagnostic:
    """Return the problem of a value with how components in settings, and groups of parameters, are written."""
    inside = problem.path[len(path) :]
    found = at(value, inside)
    if setting.is_by_parameter and len(inside) == 1 and not isinstance(found, dict):
        return replace(
            problem, help=f'write {path[-1]} = {{ "PATTERN" = {{ {inside[0]} = {show(found)} }} }}', meant=None
        )
    if setting.component_kind and isinstance(found, str) and not isinstance(value, str):
        return replace(problem, help=f'write {{ name = "{found}" }}', meant=None)
    return problem


def _of_computed(problem: Diagnostic) -> Diagnostic:
    """Return a problem of a value that a sweep has computed: nobody can write it otherwise."""
    is_integer = problem.meant is not None and problem.meant.toml.lstrip("-").isdigit()
    help_text = "integers are swept with { range = [start, stop, step] }, or listed in a grid" if is_integer else ""
    return replace(problem, meant=None, help=problem.help or help_text)


def _exclusion_problems(spec: Spec) -> Iterator[Diagnostic]:
    among = {section: list(alternatives) for section, alternatives in spec.sections.items()} | {"run": [spec.run]}
    for variant in spec.ablations:
        among[variant.section] += variant.alternatives
    for exclusion in spec.exclusions:
        yield from unknown_conditions(exclusion, among)


def _written(document: Document, path: Path, value: Any) -> str:
    """Return a value as a label tells it: as it is written, a sweep by its values."""
    if isinstance(value, dict) and (words := [word for word in WORDS if word in value]):
        return ",".join(map(_plain, value[words[0]])) if words[0] in LISTED else f"{words[0]}{show(value[words[0]])}"
    return document.written(path, value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else show(value)


def _compare_problems(spec: Spec) -> Iterator[Diagnostic]:
    columns = choosing_columns(columns_of(spec))
    metric = spec.compare.metric
    yield from concluded_from(target_problems(spec, columns), *MEASURED)
    if metric == STEPS_TO_TARGET:
        yield from by_time_problems(spec.compare, most_telling(metrics_of(spec)))
    elif metric is not None and results_schema.is_of_test(metric):
        yield chosen_by_test(("compare", "metric"), metric, columns)
    elif metric is not None and metric not in columns:
        near = did_you_mean(metric, [*columns, STEPS_TO_TARGET])
        message = f"the runs of this spec have no such metric{near}"
        help_text = cure(spec, metric) or f"they have {', '.join(columns)}"
        yield Diagnostic(("compare", "metric"), message, help_text, about=MEASURED)
    yield from concluded_from(curve_problems(spec, columns_of(spec)), *MEASURED)
    by, _ = compared(spec)
    swept = swept_settings(spec)
    absent = [name for name in by if name not in spec.sections and name not in swept]
    for name in absent:
        yield _not_compared(spec, name, swept)
    if absent:
        return
    labels = compared_labels(spec)
    named: dict[Path, str | None] = {("compare", "baseline"): spec.compare.baseline}
    named |= {("compare", "candidates", i): name for i, name in enumerate(spec.compare.candidates)}
    about = tuple((section,) for section in by)
    for path, label in named.items():
        if label is not None and label not in labels:
            message = f"no alternative is labelled {quoted(label)}{did_you_mean(label, labels)}"
            inherited = spec.document.is_inherited(path[:2])
            away = f'; or take it away: unset = ["compare.{path[1]}"]' if inherited else ""
            yield Diagnostic(path, message, f"there are {listed(label, labels)}{away}", about=about)


def _not_compared(spec: Spec, name: str, swept: list[str]) -> Diagnostic:
    """Return why a name in `compare.by` has nothing to compare."""
    stated, known = spec.compare.by, [*spec.sections, *swept]
    path = ("compare", "by", stated.index(name)) if isinstance(stated, list) else ("compare", "by")
    near = did_you_mean(name, known)
    section, dot, setting = name.partition(".")
    settings = f"; the swept settings are {', '.join(swept)}" if swept else ""
    if not dot or section not in {*spec.sections, "run"}:
        message = f"the spec has no section {quoted(name)}{near}"
        return Diagnostic(path, message, f"it has {', '.join(spec.sections)}{settings}")
    if is_repeat(section, (setting,)):
        return Diagnostic(path, f"{name} repeats a setting, as seeds do, so its values are not compared", settings[2:])
    if near:
        return Diagnostic(path, f"no setting {quoted(name)} is swept{near}", settings[2:])
    message = f"{name} has one value, so there is nothing to compare"
    return Diagnostic(path, message, f"sweep it, as in {setting} = {{ grid = [...] }}{settings}")


def _stream_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield what asks a stream for an end, which it has not: every step sees fresh rows."""
    for alternative in spec.sections["data"]:
        if registry.find("data", alternative.name).returns == "Stream":
            why = f"{alternative.name} draws fresh rows at every step"
            if spec.run.settings.get("steps") is None:
                yield Diagnostic(("run", "epochs"), f"{why}, so it has no epochs", "write steps = 1000", at="key")
            if alternative.settings["batch_size"] == "full":
                yield Diagnostic((*alternative.path, "batch_size"), f"{why}: there is no full batch", "write a number")
            for key in (VALID, TEST, K_FOLDS, "standardise"):
                if alternative.settings[key]:
                    yield Diagnostic(
                        (*alternative.path, key), f"{why}: there are no fixed rows to do that with", "leave it out"
                    )


def _look_alike_problems(sections: dict[str, tuple[Alternative, ...]]) -> Iterator[Diagnostic]:
    """Yield labels that no reader can tell from another one of their section."""
    for alternatives in sections.values():
        for first, label in look_alikes(alternative.label for alternative in alternatives):
            same = next(alternative for alternative in alternatives if alternative.label == label)
            yield Diagnostic((*same.path, "label"), f"{label!a} looks like {first!a}", "write another label")


def _distinct_labels(alternatives: tuple[Alternative, ...], document: Document) -> tuple[Alternative, ...]:
    """Return the alternatives with labels that differ: `SGD momentum=0.9` where two are called SGD."""
    labels = [a.label or a.name for a in alternatives]
    twice = {label for label, n in Counter(labels).items() if n > 1}
    detailed = [
        f"{label} {_difference(a, alternatives, document)}".strip() if label in twice else label
        for a, label in zip(alternatives, labels, strict=True)
    ]
    seen: Counter[str] = Counter()
    final = []
    for label in detailed:
        seen[label] += 1
        final.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return tuple(replace(a, label=label) for a, label in zip(alternatives, final, strict=True))


def _difference(alternative: Alternative, among: tuple[Alternative, ...], document: Document) -> str:
    """Return the plain settings written in an alternative that differ from those of its namesakes."""
    namesakes = [a for a in among if a.name == alternative.name]
    paths = {axis.path for a in namesakes for axis in a.axes}
    tables = alternative.ordered  # whose keys stay where a value in them is swept
    swept = {path[0] for path in paths if path[0] not in tables or len(path) == 1}
    parts = [
        f"{key}={_short(alternative.settings[key], document, (*alternative.path, key))}"
        for key in alternative.written
        if key not in swept
        and key in alternative.settings
        and (isinstance(alternative.settings[key], str | int | float) or key in tables)
        and len({str(a.settings.get(key)) for a in namesakes}) > 1
    ]
    return " ".join(parts)


def _short(value: Any, document: Document, path: Path) -> str:
    """Return a setting as a label tells it: of a table the keys."""
    if isinstance(value, dict):
        return ",".join(value)
    return document.written(path, value) if isinstance(value, int | float) else str(value)
