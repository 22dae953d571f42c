"""Progress of a grid: a live bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.plan import Plan
from xprun.runner.planning.second_stage import by_setting
from xprun.runner.process.log import say
from xprun.runner.process.training_progress import NEVER, TrainingProgress
from xprun.runner.results.compared_value import chosen_by
from xprun.runner.results.compared_value import cost as cost_of
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import CONFIRM, Comparison
from xprun.runner.results.run_columns import sections_that_differ
from xprun.runner.status.under_way import UnderWay, best_run, line
from xprun.specs import Run
from xprun.specs.language.confirmation import fresh_seeds
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.folds import K_FOLDS
from xprun.specs.language.listed_problems import TASK
from xprun.specs.language.wording import plural

LIVE, SELDOM = 0.25, 2.0  # seconds between two words on how far a training is: where somebody looks, and elsewhere
LINES = 10.0  # seconds between two lines where there is no terminal
VERBOSE_LINES = 2.0  # and where every run has its own


class Progress(Protocol):
    """Hears of every run as it ends, and meanwhile how far it is.

    `prepare` tells that there is work ahead, for which workers get ready: so there is time for something else. `start`
    tells which cohorts the search trains, how many runs, about, the second stage will, and how many are neither stored
    nor to be trained now; `confirm` that the search is complete, and which cohorts come now, perhaps none. `advanced`
    tells how far a training is, at most every `every` seconds each; any such word may be lost.
    """

    @property
    def every(self) -> float: ...
    def prepare(self) -> None: ...
    def start(self, plan: Plan, cohorts: list[Cohort], device: str, later: int, left_out: int) -> None: ...
    def extended(self, plan: Plan) -> None: ...
    def confirm(self, plan: Plan, cohorts: list[Cohort], device: str) -> None: ...
    def advanced(self, progress: TrainingProgress) -> None: ...
    def ended(self, run: Run, outcome: Outcome) -> None: ...
    def finish(self) -> None: ...


class Silent:
    """Says nothing."""

    every = NEVER

    def prepare(self) -> None: ...
    def start(self, plan: Plan, cohorts: list[Cohort], device: str, later: int, left_out: int) -> None: ...
    def extended(self, plan: Plan) -> None: ...
    def confirm(self, plan: Plan, cohorts: list[Cohort], device: str) -> None: ...
    def advanced(self, progress: TrainingProgress) -> None: ...
    def ended(self, run: Run, outcome: Outcome) -> None: ...
    def finish(self) -> None: ...


class Meanwhile(Silent):
    """Does something else while workers get ready."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do

    def prepare(self) -> None:
        self._do()


class Several:
    """Lets several hear."""

    def __init__(self, *listeners: Progress) -> None:
        self._listeners = listeners

    @property
    def every(self) -> float:
        return min((listener.every for listener in self._listeners), default=NEVER)

    def prepare(self) -> None:
        for listener in self._listeners:
            listener.prepare()

    def start(self, plan: Plan, cohorts: list[Cohort], device: str, later: int, left_out: int) -> None:
        for listener in self._listeners:
            listener.start(plan, cohorts, device, later, left_out)

    def extended(self, plan: Plan) -> None:
        for listener in self._listeners:
            listener.extended(plan)

    def confirm(self, plan: Plan, cohorts: list[Cohort], device: str) -> None:
        for listener in self._listeners:
            listener.confirm(plan, cohorts, device)

    def advanced(self, progress: TrainingProgress) -> None:
        for listener in self._listeners:
            listener.advanced(progress)

    def ended(self, run: Run, outcome: Outcome) -> None:
        for listener in self._listeners:
            listener.ended(run, outcome)

    def finish(self) -> None:
        for listener in self._listeners:
            listener.finish()


class Narrator:
    """Tells what is to be done, how far it is, what trains now, and the best result so far."""

    def __init__(self, *, live: bool, verbose: bool = False) -> None:
        self._live, self._verbose = live and not verbose, verbose
        self.every = LIVE if live or verbose else SELDOM
        self._bar: Any = None
        self._done = 0
        self._under_way = UnderWay()
        self._best: tuple[float, str] | None = None  # of the runs that have ended
        self._best_seen: tuple[float, str] | None = None  # of all values that were told
        self._said, self._said_of = time.monotonic(), ""
        self.statuses: Counter[str] = Counter()

    def prepare(self) -> None:
        """Say nothing yet: what a spec needs may be missing."""

    def start(self, plan: Plan, cohorts: list[Cohort], device: str, later: int, left_out: int) -> None:
        to_run = self._total = sum(len(cohort.runs) for cohort in cohorts) + later
        self._plan, cached = plan, plan.total - to_run - left_out
        self._telling = sections_that_differ(plan.grid_rows) or {"optimizer"}
        self._runs = {run.id: run for run in plan.runs}
        where = f" in {len(cohorts)} {plural('cohort', len(cohorts))} on {device}" if cohorts else ""
        others = f", {left_out:,} left out" if left_out else ""
        say(f"{plan.spec.name}: {headline(plan)}; {cached:,} cached, {to_run:,} to run{where}{others}")
        self._tell_unfinished(cohorts)
        if plan.duplicates:
            say(duplicates(plan.duplicates))
        if self._live and to_run:
            self._bar = _make_bar()
            self._task = self._bar.add_task("", total=to_run, ended=f"0/{to_run}", best="")
            self._bar.start()

    def extended(self, plan: Plan) -> None:
        """Hear that a search has a further round, whose runs nobody knew before."""
        self._plan, self._runs = plan, {run.id: run for run in plan.runs}

    def confirm(self, plan: Plan, cohorts: list[Cohort], device: str) -> None:
        runs = sum(len(cohort.runs) for cohort in cohorts)
        self._plan, self._total = plan, self._done + runs
        self._runs = {run.id: run for run in plan.runs}
        if self._bar:
            self._bar.update(self._task, total=self._total, ended=f"{self._done}/{self._total}")
        elif runs:
            say(f"  the search is complete; {runs:,} {plural('run', runs)} on fresh seeds")
        self._tell_unfinished(cohorts)

    def _tell_unfinished(self, cohorts: list[Cohort]) -> None:
        if unfinished := sum(len(cohort.runs) for cohort in cohorts if cohort.layout):
            say(f"{unfinished:,} of them resume where they were interrupted")

    def advanced(self, progress: TrainingProgress) -> None:
        if not self._runs.keys() >= set(progress.runs) or not progress.runs:
            return
        self._under_way.hear(progress)
        self._note_best_seen(progress)
        if self._bar:
            self._move_bar(line(progress, self._comparison_of(progress), self._name))
        elif self._is_due(progress.unit):
            self._said, self._said_of = time.monotonic(), progress.unit
            said = line(progress, self._comparison_of(progress), self._name)
            say(f"  {said}" if self._verbose else f"  {self._done}/{self._total} runs  {said}")

    def ended(self, run: Run, outcome: Outcome) -> None:
        self._done += 1
        self.statuses[outcome.status] += 1
        self._under_way.ended(run.id)
        self._note_best(run, outcome)
        if self._verbose:
            say(f"  {outcome.run} {name_of(run, self._telling)} {outcome.status} {_result(self._plan, run, outcome)}")
        elif self._bar:
            self._move_bar()
        elif time.monotonic() - self._said > LINES or self._done == self._total:
            self._said = time.monotonic()
            say(f"  {self._done}/{self._total} runs  {self._told_best()}")

    def finish(self) -> None:
        if self._bar:
            self._bar.now = ""
            self._bar.stop()

    def _is_due(self, unit: str) -> bool:
        """Whether a line on a training is due: now and then, on another one each time while several are under way."""
        passed, pause = time.monotonic() - self._said, VERBOSE_LINES if self._verbose else LINES
        is_next = unit != self._said_of or len(self._under_way) == 1 or passed > 2 * pause
        return passed > pause and is_next

    def _move_bar(self, now: str | None = None) -> None:
        """Show how far all runs are, and what trains `now`, if that is another thing than before."""
        done = min(self._done + self._under_way.done, self._total)
        self._bar.now = self._bar.now if now is None else now
        self._bar.update(self._task, completed=done, ended=f"{self._done}/{self._total}", best=self._told_best())

    def _name(self, run: str) -> str:
        """Return what tells a run from its neighbours; nothing of one that has none."""
        return name_of(self._runs[run], self._telling) if len(self._runs) > 1 else ""

    def _comparison_of(self, progress: TrainingProgress) -> Comparison:
        return self._plan.comparison_of(self._runs[progress.unit if progress.unit in self._runs else progress.runs[0]])

    def _told_best(self) -> str:
        """Return what has the best value, if only of those seen so far while runs are in training."""
        seen = self._best_seen if self._done < self._total else None
        found = min(filter(None, (self._best, seen)), default=None)
        return f"best {found[1]}" if found else ""

    def _note_best(self, run: Run, outcome: Outcome) -> None:
        comparison = self._plan.comparison
        if self._plan.by_problem:  # which have no best of all
            return
        cost = cost_of(comparison, outcome)
        if cost < (self._best[0] if self._best else math.inf):
            value = chosen_by(comparison, outcome)
            told = f"{value:.0f}" if comparison.by_time else f"{value:.4g}"
            self._best = cost, f"{name_of(run, self._telling)} {comparison.metric} {told}"

    def _note_best_seen(self, progress: TrainingProgress) -> None:
        comparison = self._plan.comparison
        if self._plan.by_problem or comparison.by_time or not progress.has_trained(comparison.metric):
            return
        run = best_run(progress, comparison)
        value = progress.values(run)[comparison.metric][1]
        cost = -value if comparison.goal == "max" else value
        if math.isfinite(cost) and cost < (self._best_seen[0] if self._best_seen else math.inf):
            self._best_seen = cost, f"{name_of(self._runs[run], self._telling)} {comparison.metric} {value:.4g}"


def _result(plan: Plan, run: Run, outcome: Outcome) -> str:
    """Return why a run ended, or what it has reached: `valid.accuracy 0.95, 435 steps in 1.2 s`."""
    value = chosen_by(plan.comparison_of(run), outcome)
    metric = plan.comparison_of(run).metric
    reached = [f"{metric} {value:.4g}"] if math.isfinite(value) else []
    took = [f"{outcome.steps:,} steps in {outcome.seconds:.3g} s"] if outcome.steps else []
    return "; ".join(filter(None, [outcome.reason, ", ".join([*reached, *took])]))


def duplicates(number: int) -> str:
    """Return what is said of runs that equal others of the spec."""
    return f"{number:,} {plural('run', number)} of the spec are duplicates and run once"


def headline(plan: Plan) -> str:
    """Return the size of a grid: `120 runs (10 optimizers, 5 seeds)`.

    With a second stage `10 optimizers x 5 settings x 3 seeds = 150 search runs, then 10 x 10 confirmation runs`.
    """
    listed, sections = len(plan.spec.listed), plan.spec.sections
    several = [
        f"{len(a)} {plural(s, len(a))}" for s, a in sections.items() if len(a) > 1 and not (listed and s in TASK)
    ]
    several = [f"{listed} {plural('problem', listed)}", *several] if listed else several
    seeds, folds = len({run.seed for run in plan.searched}), _folds(plan)
    parts = [*several, *([f"{folds} folds"] if folds else []), f"{seeds} {plural('seed', seeds)}"]
    total = sum(number for stage, number in plan.stages.items() if stage != CONFIRM)
    if plan.spec.confirm is None:
        return f"{total:,} {plural('run', total)} ({', '.join([*parts, *_rounds(plan)])})"
    fresh, confirmed = len(fresh_seeds(plan.spec)), plan.stages[CONFIRM]
    times = [confirmed // fresh, fresh]
    if folds and times[0] % folds == 0:
        times = [times[0] // folds, folds, fresh]
    second = " x ".join(f"{number:,}" for number in times) if confirmed else "no"
    return f"{_search(plan, several, parts[len(several) :])}, then {second} confirmation runs"


def _folds(plan: Plan) -> int:
    """Return how many folds each setting is trained on; 0 where data sets differ in it."""
    numbers = {data.settings.get(K_FOLDS) for data in plan.spec.sections["data"]}
    return next(iter(numbers)) or 0 if len(numbers) == 1 else 0


def _search(plan: Plan, several: list[str], repeats: list[str]) -> str:
    """Return the size of a search, as a product where it is one."""
    alternatives = by_setting(plan.grid_rows, plan.comparison.by).values()
    total = sum(number for stage, number in plan.stages.items() if stage != CONFIRM)
    counts = {len(settings) for settings in alternatives}
    noun = "learning rate" if plan.comparison.swept == ["optimizer.lr"] else "setting"
    factors = [*several, *(f"{count} {noun}s" for count in counts if count > 1), *repeats]
    runs = f"{total:,} search {plural('run', total)}"
    product = math.prod(int(factor.split()[0].replace(",", "")) for factor in factors)
    if len(counts) > 1 or product != total or len(factors) == 1 or plan.spec.search:
        return f"{runs} ({', '.join([*several, *repeats, *_rounds(plan)])})"
    return f"{' x '.join(factors)} = {runs}"


def _rounds(plan: Plan) -> list[str]:
    """Return how many settings each round of a search tries, and what they cost: `27 + 9 + 3 settings`."""
    if plan.spec.search is None:
        return []
    sizes = plan.rounds.sizes
    longest = max(sizes, key=len)
    tried = " + ".join(f"{number}{f' at 1/{round(1 / share)}' if share < 1 else ''}" for number, share in longest)
    cost = sum(number * share for number, share in longest)
    each = "each" if all(size == longest for size in sizes) else "at most"
    return [f"{tried} settings {each}, as long as {cost:.3g} to the end"]


def name_of(run: Run, telling: set[str]) -> str:
    """Return what tells a run from its neighbours: `scratch.adam lr=0.03 seed=0`, with the labels of some sections."""
    parts = [run.problem] if run.problem else []
    for section, choice in run.choices.items():
        parts += [choice.label] if section in telling else []
        values = choice.untold if section in telling else choice.swept
        parts += [f"{_last(path)}={_short(value)}" for path, value in values.items()]
    return " ".join([*parts, f"seed={run.seed}"])


def _last(path: Path) -> str:
    """Return the end of a setting's path that can be read alone: `lr`, or `hidden[0]`."""
    names = [i for i, part in enumerate(path) if isinstance(part, str)]
    return dotted(path[names[-1] :])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _make_bar() -> Any:
    """Return a bar with the share that is done, the runs that have ended, the time left and the best so far.

    What trains now is the text `now`, a line below it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Bar(Progress):
        now = ""

        def get_renderables(self) -> Any:
            yield self.make_tasks_table(self.tasks)
            if self.now:
                yield Text(f"  {self.now}", no_wrap=True, overflow="ellipsis", style="dim")

    columns = (
        BarColumn(30),
        TextColumn("{task.fields[ended]} runs", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[best]}", markup=False),
    )
    return Bar(*columns, console=Console(stderr=True))
