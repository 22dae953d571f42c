"""How often two copies of one optimizer are told apart, where each has seeds of its own, on the analytic tasks.

    python benchmarks/false_findings.py FOLDER [--repeats 400] [--seeds 60] [--optimizer Adam]

Trains the optimizer at ten rates on so many seeds of each diagnostic of the quick suite; FOLDER keeps the runs.
In each repeat two copies draw disjoint seeds: some choose a rate, others confirm it, as `xprun bench` does. Whatever
the test of pages then finds is false. Prints its share for 1 to 10 seeds that choose, for copies that share a rate, and
for each task with 3 seeds that choose.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import inf, nan
from pathlib import Path

import numpy as np
import pandas as pd
import xprun
from xprun.plugins.discovery import open_registry
from xprun.reports.stats.pairwise import over_blocks
from xprun.runner.bench.bench_spec import find_entrant, tuned
from xprun.runner.results.results_schema import final
from xprun.runner.results.setting_choice import choose
from xprun.specs.language.library import suites

METRIC = final("train.suboptimality")
FRESH = 14  # as `xprun bench` has them
Copy = tuple[np.ndarray, float]  # its values on fresh seeds, and the rate that it has chosen


def train(folder: Path, name: str, seeds: int) -> dict[str, pd.DataFrame]:
    """Return the final suboptimality [seeds, rates] of each diagnostic, NaN where a run diverged."""
    entrant, _ = tuned(find_entrant(name, open_registry()), (), 10)
    listed = [line for line in suites()["quick"].read_text(encoding="utf-8").splitlines() if "problems/" in line]
    spec = f"{entrant.as_toml()}\n\n[run]\nseeds = {seeds}\n\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pool.toml"
    path.write_text(spec + "".join(f"[[problem]]\n{line}\n" for line in listed if is_analytic(line)), encoding="utf-8")
    xprun.run(path, output=folder / "runs")
    runs = pd.read_csv(folder / "runs" / "results.csv", low_memory=False)
    return {
        str(problem): rows.pivot_table(index="seed", columns="optimizer.lr", values=METRIC, dropna=False)
        for problem, rows in runs.groupby("problem")
    }


def is_analytic(line: str) -> bool:
    name = line.rpartition("problems/")[2].strip('" ')
    return "[data]" not in (suites()["quick"].parents[1] / "problems" / f"{name}.toml").read_text(encoding="utf-8")


def copy_of(table: pd.DataFrame, search: np.ndarray, fresh: np.ndarray) -> Copy:
    """Return what one copy reaches on fresh seeds at the rate that is best on those of the search."""
    rate = choose({rate: list(table[rate].iloc[search]) for rate in table}, "min")
    values = table[rate].iloc[fresh].fillna(inf).to_numpy() if rate is not None else np.full(len(fresh), inf)
    return values, nan if rate is None else float(rate)


def share(
    tables: list[pd.DataFrame], repeats: int, draw: Callable[[pd.DataFrame], tuple[Copy, Copy]]
) -> tuple[float, float]:
    """Return the shares of repeats that find one copy better, and of those whose copies have chosen other rates."""
    found, apart = 0, 0
    for repeat in range(repeats):
        (one, first), (other, second) = draw(tables[repeat % len(tables)])
        pairs = over_blocks(pd.DataFrame({"one": one, "other": other}), ascending=True)
        swapped = over_blocks(pd.DataFrame({"one": other, "other": one}), ascending=True)
        assert pairs.of("one", "other").p == swapped.of("one", "other").p  # whatever the copies are called
        found += pairs.are_told_apart("one", "other")
        apart += first != second
    return found / repeats, apart / repeats


def drawing(searching: int) -> Callable[[pd.DataFrame], tuple[Copy, Copy]]:
    """Return what draws two copies, each with so many seeds that choose its rate."""
    generator = np.random.default_rng(0)

    def draw(table: pd.DataFrame) -> tuple[Copy, Copy]:
        places, each = generator.permutation(len(table)), searching + FRESH
        mine, others = places[:each], places[each : 2 * each]
        return (
            copy_of(table, mine[:searching], mine[searching:]),
            copy_of(table, others[:searching], others[searching:]),
        )

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--optimizer", default="Adam")
    asked = parser.parse_args()
    by_task = train(asked.folder, asked.optimizer, asked.seeds)
    tables = list(by_task.values())
    print("seeds that choose | told apart | with another rate")
    for searching in (1, 2, 3, 5, 10):
        print(f"{searching:17} | {{:10.1%}} | {{:17.1%}}".format(*share(tables, asked.repeats, drawing(searching))))
    generator = np.random.default_rng(0)

    def draw_at_one_rate(table: pd.DataFrame) -> tuple[Copy, Copy]:
        places = generator.permutation(len(table))
        return tuple(copy_of(table, places[:3], places[3 + FRESH * i : 3 + FRESH * (i + 1)]) for i in (0, 1))  # type: ignore[return-value]

    print(f"{'both at one rate':17} | {{:10.1%}} |".format(share(tables, asked.repeats, draw_at_one_rate)[0]))
    for task, table in by_task.items():
        print(f"{task:17} | {{:10.1%}} | {{:17.1%}}".format(*share([table], asked.repeats, drawing(3))))


if __name__ == "__main__":
    main()
