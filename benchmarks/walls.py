"""What it costs that every cohort has a process of its own: 64 cohorts of one small run, with a file of components.

    python benchmarks/walls.py [REPEATS] [OTHER_PYTHON ...]

prints the seconds that the cohorts take in one supervised worker, so many times (default: 5). With the Python of other
installations, each has its turn after the other, and the medians are compared with that of this one. The start of what
workers are forked from, the import of torch, is left out.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COHORTS = 64
ONCE = "--once"
SPEC = """
device = "cpu"
[data]
name = "digits"
valid = {{ linspace = [0.1, 0.3], num = {cohorts} }}
batch_size = 64
[model]
layers = [
  {{ name = "Linear", in_features = 64, out_features = 32 }},
  {{ name = "ReLU" }},
  {{ name = "Linear", in_features = 32, out_features = 10 }},
]
[loss]
name = "CrossEntropyLoss"
[optimizer]
name = "own"
[run]
steps = {steps}
"""
STEPS = 2000  # about a second on one core
COMPONENTS = """
from xprun.plugins import optimizer

@optimizer("own")
def own(w, g, m, *, lr: float = 0.1):
    "Gradient descent with momentum."
    m = 0.9 * m + g
    return w - lr * m, m
"""


def seconds() -> float:
    """Return the wall time of the cohorts in a fresh folder, from a process that is ready to start workers."""
    from xprun.plugins.discovery import open_registry
    from xprun.runner.experiment import Options, run_experiment
    from xprun.runner.resolve.resolver import resolve
    from xprun.runner.status.progress import Silent
    from xprun.runner.workers.isolated import run_isolated
    from xprun.specs import read_document, read_spec

    with tempfile.TemporaryDirectory() as name:
        spec_file, components = Path(name, "spec.toml"), Path(name, "own.py")
        steps = os.environ.get("XPRUN_STEPS", STEPS)
        spec_file.write_text(SPEC.format(cohorts=COHORTS, steps=steps), encoding="utf-8")
        components.write_text(COMPONENTS, encoding="utf-8")
        registry = open_registry((components,))
        spec = resolve(read_spec(read_document(spec_file)), registry)
        run_isolated(os.getpid)
        start = time.perf_counter()
        report = run_experiment(spec, registry, Options(Path(name, "out"), (components,), workers=1), Silent())
        assert report.statuses == {"done": COHORTS}, report.reasons
        return time.perf_counter() - start


def seconds_in(python: str) -> float:
    """Return what another process prints, with one thread for each operation."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, __file__, ONCE], stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return float(done.stdout)


def main() -> None:
    if sys.argv[1:] == [ONCE]:
        print(seconds())
        return
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    pythons = [sys.executable, *sys.argv[2:]]
    found: dict[str, list[float]] = {python: [] for python in pythons}
    for _ in range(repeats):
        for python in pythons:
            found[python].append(seconds_in(python))
            print(f"{python}: {found[python][-1]:.2f} s", flush=True)
    medians = {python: statistics.median(times) for python, times in found.items()}
    for python, median in medians.items():
        less = medians[sys.executable] / median - 1
        told = f": this one takes {less:+.1%}" if python != sys.executable else ""
        print(f"{python}: {median:.2f} s for {COHORTS} cohorts in the median of {repeats}{told}")


if __name__ == "__main__":
    main()
