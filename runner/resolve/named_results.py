"""Checks settings that name results: stop rules, checkpoints, targets and goals ask for some that the runs have."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.runner.resolve.data_parts import all_hold
from xprun.runner.resolve.training_rows import HOW as LEFT_OUT
from xprun.runner.resolve.training_rows import cure, measures_train
from xprun.runner.results.results_schema import LOSS, STEPS_TO_TARGET, TRAIN, VALID, Metric, is_of_test
from xprun.specs import Diagnostic, RunSettings, Spec
from xprun.specs.language.diagnostics import Path
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.schema import PROBLEM_SECTION, Compare, SaveBest, Stop
from xprun.specs.language.wording import did_you_mean, quoted

HELD_OUT = "set data.valid = 0.2 to hold rows out"
HOW = f"{HELD_OUT}, or list metrics in run.metrics"


def stop_problems(spec: Spec, columns: list[str]) -> Iterator[Diagnostic]:
    """Yield stop rules that watch no result of the spec's evaluations; `columns` are all of its results."""
    known = evaluated(spec, columns)
    for choice in choices_of(spec.run):
        stop = RunSettings.model_validate(choice.settings).stop
        if stop is None:
            continue
        for column in stop.metric_reached:
            yield from unknown_result(spec, ("run", "stop", "metric_reached", column), column, known)
        if stop.early_stopping:
            yield from unknown_result(spec, ("run", "stop", "patience"), stop.early_stopping.metric, known)


def save_problems(spec: Spec, columns: list[str]) -> Iterator[Diagnostic]:
    """Yield a best checkpoint by a result that the spec's evaluations do not have, or a ranking by one not kept."""
    known = evaluated(spec, columns)
    for choice in choices_of(spec.run):
        by_time = spec.compare.metric == STEPS_TO_TARGET
        save, wanted = choice.settings.get("save"), spec.compare.target_metric if by_time else spec.compare.metric
        if save == "best" and (not known or (wanted and wanted not in known)):
            message = (
                f"the best checkpoint is chosen by {wanted or 'a metric'} at evaluations, which the runs do not have"
            )
            help_text = HOW if measures_train(spec.run) else f"{LEFT_OUT}; or {HELD_OUT}"
            yield Diagnostic(("run", "save"), message, help_text)
        if isinstance(save, dict):
            yield from unknown_result(spec, ("run", "save", "metric"), save["metric"], known)
        best = save == "best" or (isinstance(save, dict) and save["metric"] == wanted)
        if spec.compare.at == "checkpoint" and not best and not by_time:
            message = 'ranks by the checkpoint of the best evaluation, which only run.save = "best" keeps'
            yield Diagnostic(("compare", "at"), message, 'write run.save = "best", or leave at out')


def goal_problems(spec: Spec, metric: Metric) -> Iterator[Diagnostic]:
    """Yield settings of `[run]` that contradict `compare.goal`; `metric` is what is compared."""
    goal = spec.compare.goal
    for choice in choices_of(spec.run) if goal else ():
        settings = RunSettings.model_validate(choice.settings)
        save, stop = settings.save, settings.stop or Stop.model_construct()
        if isinstance(save, SaveBest) and save.metric == metric.name and save.goal != goal:
            message = f"the best {metric.name} is {quoted(save.goal)} here, but compare.goal is {quoted(goal)}"
            yield Diagnostic(("run", "save", "goal"), message, f"write {quoted(goal)}, or change compare.goal")
        watched: list[tuple[Path, str]] = [(("metric_reached", column), column) for column in stop.metric_reached]
        if stop.early_stopping:
            watched.append((("patience",), stop.early_stopping.metric))
        for path, column in watched if metric.is_loss and goal == "max" else ():
            if column.endswith(f".{LOSS}"):
                message = f"waits for {column} to fall, but compare.goal says that more of it is better"
                yield Diagnostic(("run", "stop", *path), message, "leave compare.goal out: training lowers the loss")


def goals_that_differ(problems: list[tuple[str, list[Metric], Compare]]) -> Iterator[Diagnostic]:
    """Yield a metric of which more is better on one of the listed problems, and less on another."""
    known: dict[str, tuple[str, str]] = {}
    for i, (label, metrics, compare) in enumerate(problems):
        for metric in metrics:
            goal = (metric.name == compare.metric and compare.goal) or metric.goal
            first, other = known.setdefault(metric.name, (label, goal))
            if other != goal:
                message = f"{metric.name} is {quoted(goal)} here, and {quoted(other)} on {first}"
                yield Diagnostic((PROBLEM_SECTION, i, "compare", "goal"), message, "give one metric one goal")


def target_problems(spec: Spec, columns: list[str]) -> Iterator[Diagnostic]:
    """Yield a target of a metric that is not among `columns`, those that may choose."""
    metric = spec.compare.target_metric
    if metric is not None:
        path = ("compare", "target", metric)
        if is_of_test(metric):
            yield chosen_by_test(path, metric, columns)
        elif metric not in columns:
            why = f"the runs of this spec have no such metric{did_you_mean(metric, columns)}"
            yield Diagnostic(path, why, cure(spec, metric) or f"they have {', '.join(columns)}", "key")


def curve_problems(spec: Spec, columns: list[str]) -> Iterator[Diagnostic]:
    """Yield the curves that are to be drawn of metrics that the runs do not have."""
    for number, metric in enumerate(spec.compare.curves):
        if metric not in columns:
            message = f"the runs of this spec have no such metric{did_you_mean(metric, columns)}"
            help_text = cure(spec, metric) or f"they have {', '.join(columns)}"
            yield Diagnostic(("compare", "curves", number), message, help_text)


def by_time_problems(compare: Compare, telling: str) -> Iterator[Diagnostic]:
    """Yield what a comparison by the steps to a target lacks, or cannot have."""
    if compare.target_metric is None:
        help_text = f'write target = {{ "{telling}" = {0.1 if telling.endswith(LOSS) else 0.95} }}'
        message = f"{STEPS_TO_TARGET} needs to know the target, and of which metric"
        yield Diagnostic(("compare", "metric"), message, help_text)
    if compare.goal == "max":
        yield Diagnostic(("compare", "goal"), "fewer steps to the target are better", "leave goal out")
    if compare.at == "checkpoint":
        yield Diagnostic(("compare", "at"), "the steps to the target are those of no checkpoint", "leave at out")


def evaluated(spec: Spec, columns: list[str]) -> list[str]:
    """Return the results that every run of a spec has at its evaluations."""
    splits = (f"{TRAIN}.", f"{VALID}.") if all_hold(spec, VALID) else (f"{TRAIN}.",)
    return [column for column in columns if column.startswith(splits)]


def choosing_columns(columns: list[str]) -> list[str]:
    """Return the results by which something may be chosen: all but those of the test rows."""
    return [column for column in columns if not is_of_test(column)]


def chosen_by_test(path: Path, column: str, known: list[str]) -> Diagnostic:
    """Return that a result of the test rows chooses nothing, and by which of the known ones to choose."""
    same = f"{VALID}.{column.partition('.')[2]}"
    held_out = [name for name in known if name.startswith(f"{VALID}.")]
    instead = same if same in known else (held_out or [""])[-1]
    help_text = f"choose by {instead}; the report shows {column}" if instead else f"hold rows out to choose by: {HOW}"
    return Diagnostic(path, f"{column} is of the test rows, which choose nothing", help_text)


def unknown_result(spec: Spec, path: Path, column: str, known: list[str]) -> Iterator[Diagnostic]:
    if is_of_test(column):
        yield chosen_by_test(path, column, known)
    elif column not in known:
        message = f"the runs have no metric {column!r} at their evaluations{did_you_mean(column, known)}"
        have = f"they have {', '.join(known)}" if known else "they have none"
        yield Diagnostic(path, message, cure(spec, column) or f"{have}; {HOW}")
