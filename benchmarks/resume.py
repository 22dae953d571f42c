"""How long `xprun SPEC` takes when every run of a large grid is finished, imports apart.

`python benchmarks/resume.py [SEEDS]` fills a store with 100 learning rates of SEEDS seeds (default: 100, 10,000 runs),
5 metrics at 20 steps each, and prints the seconds of the first call, which writes tables and pages, and of a second.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import workloads as w
import xprun.reports.page.report_page  # noqa: F401 - imported beforehand
from xprun.runner.cli.main import main
from xprun.runner.planning.run_identity import origins_of
from xprun.runner.results.outcome import Outcome, Series
from xprun.runner.store.run_store import Store

SPEC = """
[data]
name = "line"
samples = 20
batch_size = "full"
valid = 0.2
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "scratch.gd"
lr = {{ linspace = [0.01, 0.1], num = 100 }}
[run]
epochs = 20
seeds = {seeds}
metrics = ["mae"]
"""
METRICS = ("loss", "train.loss", "train.mae", "valid.loss", "valid.mae")


def fill(folder: Path, text: str) -> None:
    """Store made-up outcomes of all runs of a spec."""
    generator, steps = np.random.default_rng(0), np.arange(1, 21)
    runs = w.load(text)[0].runs
    history = [{name: Series(steps, generator.normal(size=20)) for name in METRICS} for _ in runs]
    store = Store(folder)
    outcomes = [Outcome(r.id, "done", "", 20, 20.0, 0.01, history=h) for r, h in zip(runs, history, strict=True)]
    store.save(outcomes, origins_of(runs, "cpu"))
    store.close()


def call(spec: Path, folder: Path) -> None:
    try:
        main([str(spec), "-o", str(folder), "--device", "cpu", "-q"])
    except SystemExit as ended:
        assert not ended.code


if __name__ == "__main__":
    text = SPEC.format(seeds=int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    with tempfile.TemporaryDirectory() as name:
        spec, folder = Path(name) / "big.toml", Path(name) / "out"
        spec.write_text(text, encoding="utf-8")
        fill(folder, text)
        for what in ("writes tables and pages", "finds them as they are"):
            print(f"{w.seconds(lambda: call(spec, folder)):6.1f} s  a call that {what}")
