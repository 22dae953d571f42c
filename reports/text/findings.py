"""The verdict in words: what came out best, how sure that is, and what speaks against it."""

import math

import pandas as pd
from xprun.reports.presentation.formatting import (
    counted,
    decimals,
    is_number,
    listed,
    p_texts,
    plus_minus,
    setting_texts,
    short_names,
    value_text,
)
from xprun.reports.stats.analysis import Analysis, by_sections
from xprun.reports.stats.loss_per_row import loss_per_row
from xprun.reports.stats.pairwise import BLOCKS_NEEDED, EQUAL, IDENTICAL, INCONCLUSIVE, WORSE, Pair
from xprun.reports.stats.ranking import at_edge
from xprun.runner.results.results_schema import (
    ENDED_WELL,
    LOSS,
    STATUS,
    STATUSES,
    STEPS_TO_TARGET,
    TRAIN,
    VALID,
    final,
)
from xprun.runner.results.what_shows import CONFIRM_OPTION


def verdict(analysis: Analysis) -> str:
    """Return what came out best in a sentence or two, the conclusion first."""
    ranking, names = analysis.ranking, full_names(analysis)
    best = ranking.iloc[0]
    if best["bad"]:
        return _none_ended_everywhere(analysis, names[0])
    if len(ranking) == 1:
        return f"{names[0]} reached a mean {_with_metric(analysis)}; there is no other alternative to compare."
    if (ranking["bad"] == ranking["runs"])[1:].all():
        others = f"of every other alternative all runs {analysis.trouble}"
        return f"{names[0]} has the best mean {_with_metric(analysis)}; {others}."
    if analysis.exploratory:
        return _explored(analysis, names)
    return " ".join(filter(None, [_concluded(analysis, names), against_baseline(analysis)]))


def against_baseline(analysis: Analysis) -> str:
    """Return which alternatives are better or worse than the baseline, in a sentence; nothing where it is clear."""
    baseline = analysis.comparison.baseline
    if baseline not in analysis.pairwise.names or len(analysis.ranking) < 3 or analysis.exploratory:
        return ""
    pairs = [pair for pair in analysis.pairwise.against(baseline) if pair.told_apart]
    better = [pair.first for pair in pairs if pair.finding != WORSE]
    worse = [pair.first for pair in pairs if pair.finding == WORSE]
    return f"Better than {baseline}: {listed(better) or 'none'}; worse: {listed(worse) or 'none'}."


def finding_text(pair: Pair, repeat: str) -> str:
    """Return a finding in words; one that is open with what would have shown. `repeat`: what a block is called."""
    if pair.finding != INCONCLUSIVE:
        return pair.finding
    if not pair.tested:
        return f"inconclusive ({counted(pair.n, repeat)}; {BLOCKS_NEEDED} are needed)"
    if not 0 < pair.shows < math.inf:
        return f"inconclusive ({counted(pair.n, repeat)})"
    needed = pair.blocks_needed
    more = f"; about {value_text(float(f'{needed:.2g}'))} {repeat}s for this one" if needed < 1000 else ""
    return f"inconclusive (differences above {value_text(float(f'{pair.shows:.2g}'))} would show{more})"


def full_names(analysis: Analysis) -> list[str]:
    """Return the alternatives with their settings, best first: `Adam at lr=0.03`."""
    settings = setting_texts(analysis.ranking, analysis.comparison.keys)
    pairs = zip(analysis.ranking["alternative"], settings, strict=True)
    return [f"{name} at {untold}" if (untold := _untold(name, setting)) else name for name, setting in pairs]


def _untold(name: str, settings: str) -> str:
    """Return the settings that a name does not tell already, as that of an ablation does: `SGD lr=0.3`."""
    told = {key: value for key, _, value in (word.partition("=") for word in name.split()) if value}
    parts = [part for part in settings.split(", ") if part]
    return ", ".join(part for part in parts if not _is_told(*part.partition("=")[::2], told))


def _is_told(key: str, value: str, told: dict[str, str]) -> bool:
    try:
        return key in told and math.isclose(float(told[key]), float(value), rel_tol=1e-3)
    except ValueError:
        return told.get(key) == value


def none_ended_well(analysis: Analysis) -> str:
    """The verdict where there is nothing to compare."""
    metric = analysis.comparison.shown
    if analysis.judged[STATUS].isin(ENDED_WELL).all():
        return f"All runs ended, but none has a number as {metric}, so there is nothing to compare."
    return f"All runs {analysis.trouble}, so there is no {metric} to compare."


def counts(runs: pd.DataFrame) -> dict[str, int]:
    """Return how many runs have each status, in a fixed order; statuses that are not known come last."""
    found = runs[STATUS].value_counts(sort=False)
    order = [*STATUSES, *sorted(set(found.index) - set(STATUSES))]
    return {status: int(found[status]) for status in order if status in found}


def unfinished(runs: pd.DataFrame, planned: int) -> list[str]:
    """Return a sentence where planned runs are missing from the table; none otherwise."""
    if len(runs) >= planned:
        return []
    return [f"Not finished: only {len(runs)} of {planned} planned runs are in the table."]


def cautions(analysis: Analysis) -> list[str]:
    """Return what speaks against the verdict, a sentence each."""
    found = [
        _selection(analysis),
        _capped(analysis),
        _chosen_on_test(analysis),
        _few_blocks(analysis),
        _edges(analysis),
        _budgets(analysis.ranking),
        _troubled(analysis),
    ]
    return [caution for caution in found if caution]


def _none_ended_everywhere(analysis: Analysis, name: str) -> str:
    best, metric = analysis.ranking.iloc[0], analysis.comparison.shown
    if best["bad"] == best["runs"]:
        return none_ended_well(analysis)
    return (
        f"Every setting has runs that {analysis.trouble}, so there is no best {metric}. "
        f"The closest is {name}: {best['bad']} of {counted(best['runs'], 'run')} {analysis.trouble}."
    )


def _explored(analysis: Analysis, names: list[str]) -> str:
    return (
        f"Exploratory: {names[0]} has the best mean {_with_metric(analysis)}, {_ahead(analysis, names)}. "
        f"Settings were chosen on these {analysis.comparison.repeat}s, which "
        f"therefore cannot test the difference; to conclude something, confirm them on fresh seeds: {CONFIRM_OPTION}."
    )


def _ahead(analysis: Analysis, names: list[str]) -> str:
    """Return how the best stands to the next, which may have the same runs."""
    means = analysis.ranking["mean"].tolist()
    tied = [name for name, mean in zip(names[1:], means[1:], strict=True) if mean == means[0]]
    return f"tied with {listed(tied)}" if tied else f"ahead of {names[1]} with {_result(analysis.ranking.iloc[1])}"


def _concluded(analysis: Analysis, names: list[str]) -> str:
    """Return whether the best is told apart from the others, and from how many not."""
    best = analysis.ranking["alternative"].iloc[0]
    pairs = {pair.first: pair.turned() for pair in analysis.pairwise.against(best)}
    if analysis.blocks < BLOCKS_NEEDED:
        return _too_few(analysis, names)
    rivals = [name for name, pair in pairs.items() if not pair.told_apart]
    if not rivals:
        return _winner(analysis, names, list(pairs.values()))
    if all(pairs[name].finding == IDENTICAL for name in rivals):
        return f"{_tie(analysis, names, rivals)}."
    return _no_winner(analysis, names, rivals, [pairs[name] for name in rivals])


def _winner(analysis: Analysis, names: list[str], pairs: list[Pair]) -> str:
    second = next(pair for pair in pairs if pair.second == analysis.ranking["alternative"].iloc[1])
    whom = names[2] if len(names) == 3 else f"all {len(names) - 2} others"
    others = f", and than {whom}" if len(names) > 2 else ""
    return (
        f"{names[0]} is best: mean {_with_metric(analysis)}, better than {names[1]} with "
        f"{_result(analysis.ranking.iloc[1])}{_by_how_much(second)}{others}."
    )


def _no_winner(analysis: Analysis, names: list[str], rivals: list[str], pairs: list[Pair]) -> str:
    best, second = analysis.ranking.iloc[0], analysis.ranking.iloc[1]
    if all(pair.finding in (EQUAL, IDENTICAL) for pair in pairs):
        who = (
            f"{listed([best['alternative'], *rivals])} are practically equal, within {analysis.comparison.tolerance:g}"
        )
        mean = f"{names[0]} has the best mean {_with_metric(analysis)}, {_ahead(analysis, names)}"
        return f"{who}: {mean}."
    shows = [pair.shows for pair in pairs if 0 < pair.shows < math.inf]
    would = f" (differences above {value_text(float(f'{max(shows):.2g}'))} would show)" if shows else ""
    others = len(names) - 1
    all_of_them = "both others" if others == 2 else f"all {others} others"
    several = all_of_them if len(rivals) == others else f"{len(rivals)} of the {others} others"
    whom = several if others > 1 else "the other"
    return (
        f"No clear winner: {names[0]} has the best mean {_with_metric(analysis)}, and {whom} cannot be told apart from "
        f"it{would}; next is {names[1]} with {_result(second)}{_p_of_second(analysis)}."
    )


def _too_few(analysis: Analysis, names: list[str]) -> str:
    n, repeat = analysis.blocks, analysis.comparison.repeat
    several = f"one {repeat} each" if n == 1 else f"{n} {repeat}s"
    more = CONFIRM_OPTION if analysis.confirmed else f"--set run.seeds={BLOCKS_NEEDED}"
    return (
        f"No clear winner: {names[0]} has the best mean {_with_metric(analysis)}, {_ahead(analysis, names)}; "
        f"{several} cannot separate them; run at least {BLOCKS_NEEDED} ({more})."
    )


def _tie(analysis: Analysis, names: list[str], rivals: list[str]) -> str:
    tied = [name for name, plain in zip(names, analysis.ranking["alternative"], strict=True) if plain in rivals]
    return f"{listed([names[0], *tied])} tie: the same {analysis.comparison.shown} in every run, {_blocks(analysis)}"


def _by_how_much(pair: Pair) -> str:
    """Return the size of a difference, its interval and its p-value, in brackets."""
    p = f"p {text}" if (text := p_texts([pair.adjusted])[0]).startswith("<") else f"p = {text}"
    size, low, high = abs(pair.difference), *sorted([abs(pair.low), abs(pair.high)])
    if size != size:
        return f" ({p})"
    show = decimals(pd.Series([size, low, high]), 2)
    return f" by {show(size)} (95% interval {show(low)} to {show(high)}; {p})"


def _p_of_second(analysis: Analysis) -> str:
    first, second = analysis.ranking["alternative"].iloc[:2]
    pair = analysis.pairwise.of(first, second)
    return f" (p = {p_texts([pair.adjusted])[0]})" if pair.tested and not pair.told_apart else ""


def _blocks(analysis: Analysis) -> str:
    fresh = "fresh " if analysis.confirmed else ""
    return f"{analysis.blocks} {fresh}{analysis.comparison.repeat}{'s' if analysis.blocks > 1 else ''}"


def _result(row: pd.Series) -> str:
    return bad_runs(row) if row["bad"] else plus_minus(row["mean"], row["sd"])


def _with_metric(analysis: Analysis) -> str:
    row, one = analysis.ranking.iloc[0], f"one {analysis.comparison.repeat}, so the spread is unknown"
    over = f"sd over {_blocks(analysis)}" if row["n"] > 1 else one
    return f"{analysis.comparison.shown}, {_result(row)}{_per_row(analysis)} ({over})"


def _per_row(analysis: Analysis) -> str:
    """What the best loss comes to for one row, where it is a sum."""
    means, row = loss_per_row(analysis.finals, analysis.comparison.shown), analysis.ranking.iloc[0]
    return "" if means is None or row["bad"] else f", {value_text(means.loc[analysis.ranking.index[0]])} per row"


def _selection(analysis: Analysis) -> str:
    schema, comparison = analysis.comparison.schema, analysis.comparison
    columns = ((metric.name, final(metric.name)) for metric in schema.metrics if metric.split == VALID)
    held_out = [name for name, column in columns if column in analysis.finals and analysis.finals[column].notna().any()]
    compared = schema.metric(comparison.measured[0])
    if not held_out or (compared and compared.split not in (None, TRAIN)):
        return ""
    return (
        f"Settings are chosen and ranked by {comparison.metric} on the training rows, although rows were held out: "
        f"set compare.metric to {listed(held_out)} to see what generalises."
    )


def _capped(analysis: Analysis) -> str:
    """Whether runs stop at a value of the metric that is compared, so that it tells little."""
    metric, stop = analysis.comparison.metric, analysis.run_settings.get("stop") or {}
    reached = (stop.get("metric_reached") or {}).get(metric)
    below = stop.get("loss_below") if metric in (LOSS, f"{TRAIN}.{LOSS}") else None
    if reached is None and below is None:
        return ""
    how = f"{metric} reaches {value_text(reached)}" if reached is not None else f"the loss is below {value_text(below)}"
    return (
        f"Runs stop when {how}, so their final values say little beyond that: compare steps to the target instead "
        f'(compare.metric = "{STEPS_TO_TARGET}").'
    )


def _chosen_on_test(analysis: Analysis) -> str:
    if not (analysis.comparison.chosen_on_test and analysis.chosen):
        return ""
    return (
        'Settings were chosen on the official test part, so its numbers flatter them: leave valid = "test" out, and '
        "a part of the training rows chooses."
    )


def _few_blocks(analysis: Analysis) -> str:
    n, repeat = analysis.blocks, analysis.comparison.repeat
    if n >= BLOCKS_NEEDED or len(analysis.ranking) < 2 or analysis.exploratory:
        return ""
    return (
        f"Few {repeat}s: {n} cannot show any difference, since a paired test needs at least {BLOCKS_NEEDED}; small "
        "differences mean little."
    )


def _edges(analysis: Analysis) -> str:
    analysis = by_sections(analysis)  # where values of a setting are compared, that is what was swept
    summary, comparison = analysis.summary, analysis.comparison
    names = short_names(comparison.keys)
    numeric = [key for key in comparison.keys if is_number(summary[key])]
    found = [
        f"{row.alternative} ({names[key]}={value_text(row.value)}, the {row.end})"
        for key in numeric
        for row in at_edge(summary, analysis.ranking, key).itertuples()
    ]
    return f"Best value at the edge of the sweep, so a better one may lie beyond it: {listed(found)}." if found else ""


def _budgets(ranking: pd.DataFrame) -> str:
    tried = ranking.set_index("alternative")["tried"]
    if tried.nunique() == 1:
        return ""
    return (
        f"Unequal tuning budgets: from {counted(tried.min(), 'setting')} ({tried.idxmin()}) "
        f"to {tried.max()} ({tried.idxmax()}); "
        "more settings mean more chances of a lucky best."
    )


def _troubled(analysis: Analysis) -> str:
    bad = analysis.ranking[analysis.ranking["bad"] > 0]
    names = listed([f"{row.alternative} ({row.bad} of {row.runs})" for row in bad.itertuples()])
    return f"Ranked last, because runs {analysis.trouble} even at the best setting: {names}." if names else ""


def bad_runs(row: pd.Series) -> str:
    """Return what became of the bad runs of a setting: `1 of 5 diverged`, `2 diverged, 1 failed of 5`."""
    ended = [f"{row[status]:.0f} {status}" for status in STATUSES if status not in ENDED_WELL and row[status]]
    without = row["bad"] - sum(row[status] for status in STATUSES if status not in ENDED_WELL)
    parts = ended + ([f"{without:.0f} without a value"] if without else [])
    count, _, how = parts[0].partition(" ")
    of = f"of {row['runs']:.0f}"
    return f"{count} {of} {how}" if len(parts) == 1 else f"{', '.join(parts)} {of}"
