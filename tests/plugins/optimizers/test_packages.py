"""The optimizers of packages that know nothing of xprun: their names, settings, and what they compute."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from xprun.plugins.discovery import open_registry
from xprun.plugins.optimizers.packages import DISTRIBUTIONS, OptimizerPackage
from xprun.plugins.registry import Component, Registry, UnknownComponentError

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
LIGHT = """
import json, sys
from xprun.plugins.discovery import open_registry
registry = open_registry()
component = registry.find("optimizer", "pytorch_optimizer.Lion")
print(json.dumps([component.doc.partition("\\n")[0], sorted(component.settings), sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    known = Registry()
    for home in ("pytorch_optimizer", "timm.optim"):
        OptimizerPackage(home).load(known)
    return known


@pytest.fixture(scope="module")
def benchmark(request: pytest.FixtureRequest) -> ModuleType:
    spec = importlib.util.spec_from_file_location("third_party", BENCHMARKS / "third_party.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["third_party"] = module
    request.addfinalizer(lambda: sys.modules.pop("third_party"))
    spec.loader.exec_module(module)
    return module


def test_a_name_is_known_without_the_package_or_torch() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    doc, settings, modules = json.loads(done.stdout)
    assert doc == "Sign based updates from interpolated gradient momentum."
    assert {"lr", "betas", "weight_decay"} < set(settings)
    assert not {"torch", "pytorch_optimizer"} & set(modules)


def test_there_are_as_many_as_the_packages_have(registry: Registry) -> None:
    names = registry.names("optimizer")
    assert sum(name.startswith("pytorch_optimizer.") for name in names) > 110
    assert {"pytorch_optimizer.SOAP", "timm.optim.AdamP", "timm.optim.Lookahead"} < set(names)
    assert not any("Base" in name for name in names)


def test_what_is_read_is_what_the_constructor_says(registry: Registry) -> None:
    for component in registry.components("optimizer"):
        if component.name.startswith("pytorch_optimizer."):
            check_settings(component)


def check_settings(component: Component) -> None:
    cls = component.load()
    cls = cls.__base__ if cls.__init__.__qualname__.startswith("_adapt") else cls
    parameters = inspect.signature(cls).parameters
    for name, setting in component.settings.items():
        assert name in parameters, (component.name, name)
        assert setting.default == parameters[name].default, (component.name, name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("PCGrad", "it takes the place of the backward pass (`pc_backward`); write a class"),
        ("CPUOffloadOptimizer", "it is no torch.optim.Optimizer; write a class"),
    ],
)
def test_a_class_that_no_spec_can_make_says_why(name: str, why: str, registry: Registry) -> None:
    with pytest.raises(UnknownComponentError) as refused:
        registry.find("optimizer", f"pytorch_optimizer.{name}")
    assert refused.value.why.startswith(why)


def test_a_package_that_is_not_there_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DISTRIBUTIONS, "no_such_package", "no-such-distribution")
    known = Registry()
    known.plugins.append(OptimizerPackage("no_such_package"))
    with pytest.raises(UnknownComponentError) as refused:
        known.find("optimizer", "no_such_package.Best")
    assert refused.value.why == "its package is not installed: pip install no-such-distribution"
    assert not known.broken()


# Elementwise, on matrices, in modes, with a closure, with a graph of the gradient, drawing at random, wrapping another.
SAMPLE = (
    "pytorch_optimizer.Lion",
    "pytorch_optimizer.SOAP",
    "pytorch_optimizer.ScheduleFreeAdamW",
    "pytorch_optimizer.Kron",
    "pytorch_optimizer.Lookahead",
    "pytorch_optimizer.Prodigy",
    "timm.optim.AdamP",
    "timm.optim.Adafactor",
)


@pytest.mark.filterwarnings("ignore")  # of the packages
def test_a_sample_gives_the_numbers_of_a_loop_written_by_hand(benchmark: ModuleType) -> None:
    known = open_registry()
    components = [known.find("optimizer", name) for name in SAMPLE]
    task = benchmark.TASKS[0]
    ours = benchmark.by_xprun(benchmark.spec_of(task, components))
    for component in components:
        hand = benchmark.by_hand(*benchmark.workload(known, component, task), component)
        assert not isinstance(ours[component.name], str), ours[component.name]
        assert hand.difference(ours[component.name]) < benchmark.AGREE, component.name
        assert hand.losses[-1] != hand.losses[0]
