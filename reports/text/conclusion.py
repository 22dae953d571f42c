"""The conclusion of a report on its first screen: a badge, one short sentence, and what to do next."""

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from xprun.reports.data.row_keys import RUN_ID
from xprun.reports.presentation.formatting import counted, listed, p_texts, shorten, value_text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import BLOCKS_NEEDED, EQUAL, IDENTICAL, Pair
from xprun.reports.text.findings import none_ended_well
from xprun.reports.text.problem_findings import Overall
from xprun.runner.results.what_shows import CONFIRM_OPTION

Badge = Literal[
    "winner", "tie", "no clear winner", "too few seeds", "too few problems", "exploratory", "no result", "one result"
]

NAME = 32  # characters of a label
MOST_SEEDS = 100  # that are proposed; what takes more is too small a difference to chase


@dataclass(frozen=True)
class Conclusion:
    """What the page concludes. `sentence`: at most 25 words, where labels are of one or two.

    `advice` says what to do next, and `options` what the command of the page takes for it, such as
    `--set run.seeds=6`; empty for the command as it is.
    """

    badge: Badge
    sentence: str
    advice: str
    options: str


def conclude(analysis: Analysis, overall: Overall | None = None, missing: int = 0) -> Conclusion:
    """The conclusion on one problem, or on all of them together. `missing`: planned runs that are not there."""
    found = _over_problems(analysis, overall) if overall is not None else _on_one_problem(analysis)
    if missing:
        return Conclusion(found.badge, found.sentence, f"Train the {counted(missing, 'run')} that are missing", "")
    return found


def _on_one_problem(analysis: Analysis) -> Conclusion:
    ranking = analysis.ranking
    best, others = ranking.iloc[0], ranking.iloc[1:]
    if best["bad"]:
        return _no_result(analysis)
    first = _name(best["alternative"])
    mean, metric = _mean(best), analysis.measure
    if others.empty:
        n = counted(analysis.blocks, analysis.comparison.repeat)
        return Conclusion("one result", f"{first} reached a mean {metric} of {mean} over {n}.", *_other_seeds(analysis))
    if analysis.exploratory:
        ahead = _rivals_in_words(analysis)
        return Conclusion(
            "exploratory",
            f"{first} leads with {metric} {mean}, {ahead}, on the very seeds that chose its setting.",
            "Confirm the chosen settings on fresh seeds",
            CONFIRM_OPTION,
        )
    if analysis.blocks < BLOCKS_NEEDED:
        return _too_few_seeds(analysis, first, mean)
    pairs = [pair.turned() for pair in analysis.pairwise.against(best["alternative"])]
    rivals = [pair for pair in pairs if not pair.told_apart]
    if not rivals:
        return _winner(analysis, first, mean)
    if all(pair.finding in (EQUAL, IDENTICAL) for pair in rivals):
        return _tie(analysis, first, rivals)
    return _no_clear_winner(analysis, first, mean, rivals)


def _winner(analysis: Analysis, first: str, mean: str) -> Conclusion:
    second = analysis.ranking.iloc[1]
    pair = analysis.pairwise.of(analysis.ranking["alternative"].iloc[0], second["alternative"])
    than = f"{_name(second['alternative'])} with {_mean(second)}"
    if second["bad"]:
        than = f"{_name(second['alternative'])}, some of whose runs {analysis.trouble}"
    others = [_name(name) for name in analysis.ranking["alternative"].iloc[2:]]
    more = f", and than {others[0] if len(others) == 1 else 'all others'}" if others else ""
    sentence = f"{first} is best: {analysis.measure} {mean}, better than {than} ({_p(pair)}){more}."
    return Conclusion("winner", sentence, *_other_split(analysis))


def _tie(analysis: Analysis, first: str, rivals: list[Pair]) -> Conclusion:
    tied = listed([first, *(_name(pair.second) for pair in rivals)], 3)
    if all(pair.finding == IDENTICAL for pair in rivals):
        sentence = f"{tied} tie: the same {analysis.comparison.shown} in every run."
    else:
        sentence = f"{tied} are practically equal: {analysis.measure} within {analysis.comparison.tolerance:g}."
    return Conclusion("tie", sentence, *_other_split(analysis))


def _no_clear_winner(analysis: Analysis, first: str, mean: str, rivals: list[Pair]) -> Conclusion:
    whom = _whom(rivals, len(analysis.ranking) - 1)
    n, fresh = analysis.blocks, "fresh " if analysis.confirmed else ""
    seeds = f"{n} {fresh}{analysis.comparison.repeat}s"
    sentence = f"{first} leads with {analysis.measure} {mean}, but {seeds} cannot separate it from {whom}."
    within_reach = [pair for pair in rivals if pair.blocks_needed <= MOST_SEEDS]
    if within_reach:
        pair = within_reach[0]
        number = max(n + 1, math.ceil(pair.blocks_needed))
        advice = f"About {number} seeds would separate {first} from {_name(pair.second)}"
        return Conclusion("no clear winner", sentence, advice, _seeds(analysis, number))
    shows = max((pair.shows for pair in rivals if 0 < pair.shows < math.inf), default=math.nan)
    if shows == shows:
        size = f"{shows:.1g}"
        advice = f"The gap is too small for {MOST_SEEDS} seeds; if {size} does not matter to you, say so"
        return Conclusion("no clear winner", sentence, advice, f"--set compare.tolerance={size}")
    return Conclusion("no clear winner", sentence, f"Run {2 * n} seeds", _seeds(analysis, 2 * n))


def _too_few_seeds(analysis: Analysis, first: str, mean: str) -> Conclusion:
    n, repeat = analysis.blocks, analysis.comparison.repeat
    several = f"one {repeat}" if n == 1 else f"{n} {repeat}s"
    sentence = (
        f"{first} leads with {analysis.measure} {mean}, {_rivals_in_words(analysis)}, but {several} cannot "
        f"separate them; it takes {BLOCKS_NEEDED}."
    )
    advice = f"Run at least {BLOCKS_NEEDED} {'fresh ' if analysis.confirmed else ''}seeds"
    return Conclusion("too few seeds", sentence, advice, _seeds(analysis, 10 if analysis.confirmed else BLOCKS_NEEDED))


def _no_result(analysis: Analysis) -> Conclusion:
    best = analysis.ranking.iloc[0]
    if best["bad"] == best["runs"]:
        sentence = none_ended_well(analysis)
    else:
        sentence = (
            f"Every setting has runs that {analysis.trouble}; {_name(best['alternative'])} is closest: "
            f"{best['bad']} of {best['runs']}."
        )
    bad = analysis.judged[analysis.judged["bad"]]
    run = str(bad[RUN_ID].iloc[0]) if len(bad) else ""
    return Conclusion("no result", sentence, "See why with one run alone", f"--only {run} -o runs/{run}" if run else "")


def _over_problems(analysis: Analysis, overall: Overall) -> Conclusion:
    """The conclusion over several problems: by mean ranks."""
    means, names, n = overall.ranks.mean(), overall.names, len(overall.ranks)
    if overall.scores["bad"].all():
        return Conclusion("no result", none_ended_well(analysis), "Train it again", "")
    first, rank = _name(names[0]), f"mean rank {means.iloc[0]:.2f}"
    if len(names) == 1:
        return Conclusion("one result", f"{first} alone was run on {n} problems.", *_other_seeds(analysis))
    ahead = f"ahead of {_name(names[1])} with {means.iloc[1]:.2f}"
    if overall.pairwise.exploratory:
        sentence = f"{first} leads over {n} problems ({rank}), {ahead}, on the very seeds that chose the settings."
        return Conclusion("exploratory", sentence, "Confirm the chosen settings on fresh seeds", CONFIRM_OPTION)
    tied = [name for name in names if means[name] == means.iloc[0]]
    if len(tied) > 1:
        sentence = f"{listed([_name(name) for name in tied], 3)} tie over {n} problems: {rank} each."
        return Conclusion("tie", sentence, *_more_problems(analysis, n))
    if not overall.is_tested:
        sentence = f"{first} leads ({rank}), {ahead}, but {n} problems cannot separate them; it takes {BLOCKS_NEEDED}."
        return Conclusion("too few problems", sentence, *_more_problems(analysis, n))
    pairs = [overall.pairwise.of(names[0], name) for name in names[1:]]
    rivals = [pair for pair in pairs if not pair.told_apart]
    if not rivals:
        more = " and all others" if len(names) > 2 else ""
        sentence = f"{first} is best over {n} problems: {rank}, better than {_name(names[1])}{more} ({_p(pairs[0])})."
        return Conclusion("winner", sentence, *_other_seeds(analysis))
    sentence = f"{first} leads ({rank}), but {n} problems cannot separate it from {_whom(rivals, len(pairs))}."
    return Conclusion("no clear winner", sentence, *_more_problems(analysis, n))


def _whom(rivals: list[Pair], others: int) -> str:
    """The alternatives that the first one is not told apart from, of so many others."""
    if others == 1:
        return _name(rivals[0].second)
    if len(rivals) < others:
        return f"{len(rivals)} of the {others} others"
    return "both others" if others == 2 else f"any of the {others} others"


def _rivals_in_words(analysis: Analysis) -> str:
    """`ahead of SGD with 0.9`, or `tied with SGD`."""
    first, second = analysis.ranking.iloc[0], analysis.ranking.iloc[1]
    if second["bad"]:
        return f"ahead of {_name(second['alternative'])}"
    how = "tied with" if second["rank"] == first["rank"] else "ahead of"
    return f"{how} {_name(second['alternative'])} with {_mean(second)}"


def _seeds(analysis: Analysis, number: int) -> str:
    return f"--set {'confirm' if analysis.confirmed else 'run'}.seeds={number}"


def _other_split(analysis: Analysis) -> tuple[str, str]:
    """What to do next with a result that stands: see whether it does so on other held-out rows, too."""
    if _is_split_by_seed(analysis):
        return "See whether it holds with other rows held out", "--set data.split_seed=1 -o runs/other-split"
    return _other_seeds(analysis)


def _is_split_by_seed(analysis: Analysis) -> bool:
    """Whether rows are held out at random, the same ones in every run."""
    data = analysis.tables.resolved.get("spec", {}).get("data")
    settings = [one.get("settings", {}) for one in data] if isinstance(data, list) else []
    shares = [one.get("valid") for one in settings]
    return bool(shares) and all(isinstance(share, float) and share > 0 for share in shares)


def _other_seeds(analysis: Analysis) -> tuple[str, str]:
    number = max(BLOCKS_NEEDED, 2 * analysis.blocks)
    return f"See how it holds over {number} seeds", _seeds(analysis, number)


def _more_problems(analysis: Analysis, n: int) -> tuple[str, str]:
    words = str(analysis.tables.environment.get("command") or "").split()
    if "bench" in words and "--suite" not in words:
        return "Take the larger suite, all problems that need no download", "--suite full"
    number = f", at least {BLOCKS_NEEDED} in all," if n < BLOCKS_NEEDED else ""
    return f"Add problems to the spec{number} and run it again", ""


def _name(label: str) -> str:
    return shorten(str(label), NAME)


def _mean(row: pd.Series) -> str:
    return value_text(row["mean"])


def _p(pair: Pair) -> str:
    text = p_texts([pair.adjusted])[0]
    return f"p {text}" if text.startswith("<") else f"p = {text}"
