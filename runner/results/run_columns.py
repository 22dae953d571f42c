"""What tells a run from the others, as the columns of `results.csv` and as a name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from xprun.specs import Run, Spec
from xprun.specs.language.comparison import cells_of
from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.expansion import PLAIN, VARIED, cell
from xprun.specs.language.result_words import PROBLEM, SEED, STAGE, alternative_label, compared_settings

SELECTED_BY = (*PLAIN, list, tuple)  # what claims select runs by


def columns_of_run(run: Run) -> dict[str, Any]:
    """Return a run's section labels, its dotted settings as far as the spec writes or sweeps them, and its seed."""
    row: dict[str, Any] = labels_of_run(run)
    for choice in run.choices.values():
        row |= choice.columns
    return row | run.run_choice.columns | {SEED: run.seed}


def labels_of_run(run: Run) -> dict[str, str]:
    """Return the label of each section of a run, and of the problem that it is of, where a spec lists some."""
    labels = {section: choice.label for section, choice in run.choices.items()}
    return {PROBLEM: run.problem, **labels} if run.problem else labels


def label_of(run: Run, by: Sequence[str]) -> str:
    """Return the label of a run's alternative, which sections and settings make."""
    labels: dict[str, Any] = {**labels_of_run(run)}
    return alternative_label(labels | values_of(run, by), by)


def values_of(run: Run, by: Iterable[str]) -> dict[str, Any]:
    """Return the values that a run has in those of the dotted settings."""
    settings = compared_settings(by)
    choices = {**run.choices, "run": run.run_choice} if settings else {}
    return {name: cell for s, choice in choices.items() for name, cell in cells_of(s, choice, settings).items()}


def defaults_of_run(run: Run) -> dict[str, Any]:
    """Return every plain setting of a run, and every list, by its dotted name, those at their defaults, too."""
    choices = {**run.choices, "run": run.run_choice}
    return {
        dotted((section, key)): cell(value)
        for section, choice in choices.items()
        for key, value in choice.settings.items()
        if isinstance(value, SELECTED_BY)
    }


def settings_of_run(run: Run) -> dict[str, dict[str, Any]]:
    """Return by section the dotted settings of a run, as far as the spec writes or sweeps them."""
    return {section: choice.columns for section, choice in [*run.choices.items(), ("run", run.run_choice)]}


def defaults_of_spec(spec: Spec) -> set[str]:
    """Return every plain setting of a resolved spec, and every list, by its dotted name, defaults too."""
    return {
        dotted((alternative.section, key))
        for variant in spec.variants()
        for alternative in variant.alternatives
        for key, value in alternative.settings.items()
        if isinstance(value, SELECTED_BY)
    }


def columns_of_spec(spec: Spec) -> set[str]:
    """Return every column of the tables by which claims of the spec may select runs, without making the runs."""
    found = {*spec.sections, SEED, STAGE, *([PROBLEM] if spec.listed else [])}
    for alternative in (a for variant in spec.variants() for a in variant.alternatives):
        settings, axes = alternative.settings, (axis.path for axis in alternative.axes)
        plain = [(key,) for key in alternative.written if isinstance(settings.get(key), PLAIN)]
        found |= {dotted((alternative.section, *path)) for path in [*plain, *axes, *alternative.shown]}
    return found


def sections_that_differ(runs: list[Run]) -> set[str]:
    """Return the sections in which the runs do not all have the same label."""
    sections = [s for s in (runs[0].choices if runs else ()) if s in VARIED or not runs[0].problem]
    return {s for s in sections if len({run.choices[s].label for run in runs}) > 1}


def full_name(run: Run, differing: set[str]) -> str:
    """Return what no other run of a spec is called: `scratch.adam optimizer.lr=0.03 seed=0`.

    `differing` are the sections whose label tells the spec's runs apart.
    """
    parts = [run.problem] if run.problem else []
    for section, choice in [*run.choices.items(), ("run", run.run_choice)]:
        is_named = section in differing or section == "optimizer"
        parts += [choice.label] if is_named else []
        values = choice.untold if is_named else choice.swept
        parts += [f"{dotted((section, *path))}={cell(value)}" for path, value in values.items()]
    return " ".join([*parts, f"{SEED}={run.seed}"])


def components_key(run: Run, sections: tuple[str, ...]) -> str:
    """Return what a run's components of these sections are, as text: all that decides the loss but the batch size."""
    known = [json.loads(run.choices[section].identity) for section in sections]
    plain = [[*parts, {k: v for k, v in settings.items() if k != "batch_size"}] for *parts, settings in known]
    return json.dumps([*plain, run.settings.dtype])
