"""Whatever a component does in its process, the runs of others have the numbers that they have without it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.fault_runs import LONG, TABLES, without_seconds
from xprun.plugins.discovery import as_executed, open_registry
from xprun.plugins.registry import REGISTRY, PluginFile, Registry
from xprun.runner.execution.leading import lead_all
from xprun.runner.execution.worker_context import Context
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.planning.cohorts import Cohort, cohorts_of
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.workers.pool import WorkerPool, get_pool, set_pool
from xprun.specs import read_document, read_spec

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="its components do what Linux has")
PLUGIN = Path(__file__).with_name("misbehaving.py")
SPEC = """
device = "cpu"
[data]
name = "line"
samples = 20
batch_size = 8
[model]
layers = [
  {{ name = "Linear", in_features = 1, out_features = 4 }},
  {{ name = "{between}" }},
  {{ name = "Linear", in_features = 4, out_features = 1 }},
]
{components}
[run]
steps = 8
timeout = 10
dtype = "{dtype}"
engine = "{engine}"
"""
GOOD = [
    {"name": "scratch.gd", "lr": 0.1},
    {"name": "scratch.adam", "lr": 0.01},
    {"name": "SGD", "lr": 0.1, "momentum": 0.9},
]
CULPRIT = {"name": "misbehaving"}
CHUNKS = 6
Numbers = dict[str, list[float]]


@pytest.fixture
def behaviours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # what torch reads of sources when it is first used is not what the plugin reads
        open_registry((PLUGIN,))
    return list(sys.modules["xprun_plugin_misbehaving"].BEHAVIOURS)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    before, pool = get_pool(), WorkerPool()
    set_pool(pool)
    yield pool
    pool.close()
    set_pool(before)


Make = Callable[..., list[Cohort]]


@pytest.fixture
def cohorts(tmp_path: Path) -> Make:
    """Return a function that gives the cohorts of a spec with these components."""

    def make(
        optimizers: list[dict[str, object]],
        loss: str = '"MSELoss"',
        *,
        engine: str = "together",
        dtype: str = "float32",
    ) -> list[Cohort]:
        tables = [f"[[loss]]\nname = {loss}"]
        for table in optimizers:
            tables.append("[[optimizer]]\n" + "\n".join(f"{key} = {toml(value)}" for key, value in table.items()))
        between = "Tanh" if engine == "together" else "Dropout"
        text = SPEC.format(components="\n".join(tables), between=between, engine=engine, dtype=dtype)
        (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
        return cohorts_of(make_plan(resolve(read_spec(read_document(tmp_path / "spec.toml")), REGISTRY), "cpu").runs)

    return make


def toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def train(cohorts: list[Cohort]) -> list[Outcome]:
    """Train cohorts one after the other in supervised workers."""
    context = Context("cpu", as_executed(REGISTRY, (PLUGIN,)))
    return [outcome for outcomes in lead_all(context, cohorts) for outcome in outcomes]


def numbers(outcome: Outcome) -> Numbers:
    series = {metric: [*found.values] for metric, found in outcome.history.items()}
    return {**series, **{f"parameter {name}": [value] for name, value in outcome.parameters.items()}}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_runs_of_other_cohorts_have_the_same_numbers_to_the_bit(
    pool: WorkerPool, cohorts: Make, behaviours: list[str], chunk: int
) -> None:
    [good] = cohorts(GOOD)
    expected = {outcome.run: numbers(outcome) for outcome in train([good])}
    assert len(expected) == len(GOOD)
    for several in parts(behaviours[chunk::CHUNKS], 1 if LONG else 4):
        losses = [f'"misbehaving_loss"\nhow = "{how}"' for how in several]
        bad = [cohort for loss in losses for cohort in cohorts(GOOD[:1], loss, engine="alone")]
        for outcome in train([*bad, good]):
            if outcome.run in expected:
                assert outcome.status == "done", (several, outcome.reason)
                assert numbers(outcome) == expected[outcome.run], several


@pytest.mark.parametrize("engine", ["together", "alone"])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_runs_of_the_same_cohort_have_the_same_numbers(
    pool: WorkerPool, cohorts: Make, behaviours: list[str], chunk: int, engine: str
) -> None:
    [good] = cohorts(GOOD, engine=engine, dtype="float64")
    expected = {outcome.run: numbers(outcome) for outcome in train([good])}
    counted = sys.modules["xprun_plugin_misbehaving"].COUNTED
    chosen = behaviours[chunk::CHUNKS]
    for several in parts(chosen, 1 if LONG else len(chosen)):
        culprits = [{**CULPRIT, "how": how} for how in several]
        [cohort] = cohorts([*GOOD[:1], *culprits, *GOOD[1:]], engine=engine, dtype="float64")
        hows = {run.id: run.choices["optimizer"].settings.get("how") for run in cohort.runs}
        outcomes = train([cohort])
        assert {outcome.run for outcome in outcomes} == set(hows)
        for outcome in outcomes:
            if outcome.run in expected:
                assert outcome.status == "done", (several, outcome.reason)
                same(numbers(outcome), expected[outcome.run], several)
            elif hows[outcome.run] in counted:
                assert outcome.status == "failed", hows[outcome.run]
                assert "GlobalStateError: it changed what all runs share" in outcome.reason, hows[outcome.run]


IMPORTS = {
    "a setting": ("import torch\ntorch.set_default_dtype(torch.float64)", "torch.get_default_dtype()"),
    "a function": ("from torch import nn\nnn.Linear.reset_parameters = lambda self: None", "Linear.reset_parameters"),
    "a class": ("import numpy\nnumpy.random.default_rng = lambda *seed: None", "numpy.random.default_rng"),
    "a hook": (
        "from torch.nn.modules.module import register_module_forward_hook as hook\nhook(lambda m, x, y: y * 2)",
        "torch.nn.modules.module._global_forward_hooks",
    ),
}


@pytest.mark.parametrize("kind", IMPORTS)
def test_what_a_file_of_components_changes_at_its_import_is_undone_and_told(
    pool: WorkerPool, cohorts: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    text, name = IMPORTS[kind]
    plugin = tmp_path / "patches.py"
    plugin.write_text(text, encoding="utf-8")
    found = []
    for plugins in ((), (plugin,)):
        registry = replace_files(REGISTRY, plugins)
        options = Options(tmp_path / f"out{len(plugins)}", plugins, workers=1)
        cohorts(GOOD)
        spec = resolve(read_spec(read_document(tmp_path / "spec.toml")), registry)
        run_experiment(spec, registry, options, Silent())
        found.append([without_seconds((options.folder / name).read_text(encoding="utf-8")) for name in TABLES])
    assert found[0] == found[1]
    assert "undone, because all runs would compute with it: the import of components changes" in caplog.text
    assert name in caplog.text


def replace_files(registry: Registry, plugins: tuple[Path, ...]) -> Registry:
    """Let a registry know of files as if they had been imported, which would change this process."""
    registry.files = {str(file): PluginFile(file, file.read_bytes()) for file in plugins}
    return registry


def parts(items: list[str], size: int) -> list[list[str]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def same(found: Numbers, expected: Numbers, several: list[str]) -> None:
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], 1e-12, 1e-12, err_msg=f"{name} beside {several}")
