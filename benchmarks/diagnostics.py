"""Which optimizers pass which diagnostics: the rows of the table in docs/bench.md.

    python benchmarks/diagnostics.py FOLDER NAME... [--budget 10] [--search-seeds 3] [--seeds 10] [--only TASK,TASK]

Tunes each optimizer on each task of the suite `full` that is an objective, as `xprun bench` does, and confirms the
chosen rate on fresh seeds; FOLDER keeps the runs. Prints a table in Markdown: "yes" where more than half of the fresh
runs end at the target, else their share, a dash for none. LBFGS, Adafactor, Muon and SparseAdam train one run after
another and take minutes: `--budget 4 --search-seeds 1 --seeds 3` is for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import xprun
from xprun.plugins.discovery import open_registry
from xprun.reports.stats.scoreboard import MOST
from xprun.runner.bench.bench_spec import find_entrant, tuned
from xprun.runner.results.results_schema import final
from xprun.specs import read_document
from xprun.specs.language.library import suites

METRIC = final("train.suboptimality")
NONE = "\N{EN DASH}"
CONFIRM = "confirm"  # the stage of fresh seeds


def tasks() -> dict[str, float]:
    """Return the targets of the diagnostics of the suite `full`, by task, in its order."""
    listed = read_document(suites()["full"]).listed.values()
    return {part.label: part.data["compare"]["target"] for part in listed if "data" not in part.data}


def shares(folder: Path, name: str, targets: dict[str, float], budget: int, search: int, fresh: int) -> pd.Series:
    """Return the share of fresh runs of an optimizer that end at the target, by task."""
    entrant, _ = tuned(find_entrant(name, open_registry()), (), budget)
    problems = "".join(f'\n[[problem]]\nextends = "xprun:problems/{task}"\n' for task in targets)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    spec = f"{entrant.as_toml()}\n\n[run]\nseeds = {search}\n\n[confirm]\nseeds = {fresh}\n{problems}"
    path.write_text(spec, encoding="utf-8")
    xprun.run(path, output=folder / name)
    runs = pd.read_csv(folder / name / "results.csv", low_memory=False)
    runs = runs[runs["stage"] == CONFIRM]
    reached = runs[METRIC] <= runs["problem"].map(targets)  # no value, where a run diverged or failed, is no success
    return reached.groupby(runs["problem"]).sum() / fresh


def cell(share: float) -> str:
    return "yes" if share > MOST else f"{share:.0%}" if share else NONE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--budget", type=int, default=10)
    parser.add_argument("--search-seeds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", type=lambda text: text.split(","), help="some of the tasks")
    given = parser.parse_args()

    targets = {name: target for name, target in tasks().items() if given.only is None or name in given.only}
    sizes = (given.budget, given.search_seeds, given.seeds)
    found = {name: shares(given.folder, name, targets, *sizes) for name in given.names}
    print(f"| task | {' | '.join(given.names)} |\n|{'---|' * (1 + len(given.names))}")
    for task in targets:
        print(f"| `{task}` | {' | '.join(cell(found[name].get(task, 0.0)) for name in given.names)} |")
    passed = (sum(found[name].get(task, 0.0) > MOST for task in targets) for name in given.names)
    print(f"| passed of {len(targets)} | {' | '.join(map(str, passed))} |")


if __name__ == "__main__":
    main()
