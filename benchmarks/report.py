"""A report of a large grid: 5,000 runs with 1,000 history points each. Prints seconds, memory, and sizes of the pages.

    python benchmarks/report.py [--runs 5000] [--points 1000]

Nothing is trained: the tables are made up, loss curves with noise for 20 optimizers, 50 learning rates and 5 seeds.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

SEEDS = 5
RATES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--points", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder), options.runs, options.points)
        started = time.perf_counter()
        from xprun.reports import write_report

        written = write_report(Path(folder))
        seconds = time.perf_counter() - started
        filtering = seconds_to_filter(Path(folder) / "report.html")
        sizes = {path.name: path.stat().st_size / 1e6 for path in written if path.suffix in (".html", ".md")}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pages = ", ".join(f"{name} {size:.2f} MB" for name, size in sizes.items())
    print(
        f"{options.runs} runs x {options.points} points: {seconds:.1f} s with imports, {memory:.2f} GB at most; {pages}"
    )
    if filtering is not None:
        print(f"the table of runs filters in {filtering:.3f} s")


def seconds_to_filter(page: Path) -> float | None:
    """From a word in the filter of all runs to the new table, laid out; None without Playwright and a chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or find_spec("playwright") is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engines:
        browser = engines.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        tab.locator("summary", has_text="Every run").click()
        taken = tab.evaluate(
            """() => {
                const search = document.querySelector('input[type=search]'), started = performance.now();
                search.value = 'rule 7';
                search.dispatchEvent(new Event('input'));
                document.body.getBoundingClientRect();  // lays it out
                return (performance.now() - started) / 1000;
            }"""
        )
        browser.close()
    return float(taken)


def make_folder(folder: Path, runs: int, points: int) -> None:
    """Write the tables of a grid; the largest learning rates diverge."""
    number = np.arange(runs)
    seed, rate, rule = number % SEEDS, number // SEEDS % RATES, number // SEEDS // RATES
    lr = np.geomspace(1e-4, 10, RATES)[rate].round(6)
    bad = rate >= RATES - 4
    final = np.abs(np.log10(lr) + 1) * 0.1 + rule * 0.01 + np.random.default_rng(0).normal(0.1, 0.01, runs)
    table = pd.DataFrame(
        {
            "run": [f"{i:012x}" for i in number],
            "optimizer": [f"rule {i}" for i in rule],
            "optimizer.lr": lr,
            "seed": seed,
            "status": np.where(bad, "diverged", "done"),
            "reason": np.where(bad, "loss became nan", ""),
            "steps": points,
            "epochs": 10.0,
            "seconds": 0.05,
            "together": 64,
            "final.loss": np.where(bad, np.nan, final),
            "best.loss": final,
        }
    )
    table.to_csv(folder / "results.csv", index=False)
    compare = {"metric": "loss", "goal": "min", "target": 0.2, "baseline": "rule 1"}
    facts = {"name": "large", "swept": ["optimizer.lr"], "compare": compare}
    (folder / "resolved.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps({"command": "xprun large.toml"}), encoding="utf-8")
    write_history(folder / "history.csv", table, points)


def write_history(path: Path, table: pd.DataFrame, points: int) -> None:
    """A few hundred runs at a time, so that making the table takes less memory than reading it."""
    step = np.arange(1, points + 1)
    noise = np.random.default_rng(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("run,step,epoch,metric,value\n")
        for _, rows in table.groupby(np.arange(len(table)) // 250):
            ends = rows["best.loss"].to_numpy()[:, None]
            values = (ends + np.exp(-5 * step / points)) * noise.lognormal(0, 0.05, (len(rows), points))
            part = pd.DataFrame(
                {
                    "run": np.repeat(rows["run"].to_numpy(), points),
                    "step": np.tile(step, len(rows)),
                    "epoch": np.tile(step / points * 10, len(rows)),
                    "metric": "loss",
                    "value": values.ravel(),
                }
            )
            part.to_csv(file, index=False, header=False)


if __name__ == "__main__":
    main()
