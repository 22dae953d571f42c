"""Every optimizer of six packages, trained by xprun and by a loop that is written out here.

    python benchmarks/third_party.py [NAME...]

needs the extra `third-party`. Both train the same small network from the same parameters on the same batches. Of each
class it prints the largest relative difference of the losses and of the held-out metrics; last, how many agree to
1e-6, how many xprun cannot train and why, and how many the loop cannot. It fails when one differs.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tomli
import torch
from torch import Tensor, nn
from xprun import run as run_spec
from xprun.plugins.discovery import open_registry
from xprun.plugins.optimizers.packages import INNER, MARK
from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import Setting
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.build import own_settings
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import read_spec, read_text
from xprun.specs.language.writer import toml_of

AGREE = 1e-6  # relative
SEED, STEPS = 0, 12  # as in the spec
SPEC = """
data = { name = "digits", flat = false, batch_size = "full", valid = 0.5 }
loss = { name = "CrossEntropyLoss" }
model = { layers = LAYERS }
run = { dtype = "DTYPE", metrics = ["accuracy"], steps = 12, seeds = [0] }
"""
CONVOLUTION = """
  { name = "Conv2d", in_channels = 1, out_channels = 4, kernel_size = 3 },
  { name = "ReLU" },
  { name = "MaxPool2d", kernel_size = 2 },
  { name = "Flatten" },
  { name = "Linear", in_features = 36, out_features = 16 },
  { name = "Tanh" },
  { name = "Linear", in_features = 16, out_features = 10 },
"""
PERCEPTRON = """
  { name = "Flatten" },
  { name = "Linear", in_features = 64, out_features = 16 },
  { name = "Tanh" },
  { name = "Linear", in_features = 16, out_features = 10 },
"""
MATRICES = re.sub(r"(out_features = \d+)", r"\1, bias = false", PERCEPTRON)
# Networks and precisions, in the order in which they are tried: some classes know no convolutions, no float64, or no
# vectors. The first counts in which the loop here can train.
TASKS = [(CONVOLUTION, "float64"), (PERCEPTRON, "float64"), (CONVOLUTION, "float32"), (MATRICES, "float64")]
# Settings that a class needs before it can train anything at all, or that its paper always sets.
SETTINGS: dict[str, dict[str, Any]] = {}
# Classes whose step evaluates the loss itself although it could be called without a closure, and those that want the
# gradient's own graph: that a loop written by hand must do so, their documentation says.
CLOSURES = ("LBFGS", "Closure")
SECOND_CLOSURES = ("SAM",)  # compute gradients at another point, beside those that are there
LOSS_CLOSURES = ("AliG",)  # take the loss of the gradients that are there, and compute none
SECOND_ORDER = ("AdaHessian", "Adahessian", "SophiaH")


@dataclass(frozen=True)
class Curve:
    """What a training gave: the loss before each step, and the held-out metrics after the last."""

    losses: list[float]
    metrics: list[float]

    def difference(self, other: Curve) -> float:
        """Return the largest relative difference."""
        mine, others = ([*c.losses, *c.metrics] for c in (self, other))
        if len(mine) != len(others):
            return math.inf
        return max(_apart(a, b) for a, b in zip(mine, others, strict=True))


def _apart(a: float, b: float) -> float:
    if (math.isnan(a) and math.isnan(b)) or a == b:
        return 0.0
    return abs(a - b) / max(abs(a), abs(b))


def by_hand(work: Workload, settings: dict[str, Any], component: Component) -> Curve:
    """Train as the documentation of a class tells, and return the curve."""
    model = work.make_model(SEED)
    X, y = work.train.inputs, work.train.targets
    criterion = nn.CrossEntropyLoss()
    torch.manual_seed(SEED)  # some draw at random
    optimizer = _make(component, model, settings)
    graph = any(word in component.name for word in SECOND_ORDER)
    name = component.name.rpartition(".")[2]
    needs = inspect.signature(optimizer.step).parameters.get("closure")
    with_closure = name.endswith(CLOSURES) or (needs is not None and needs.default is needs.empty)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = criterion(model(X), y)
        loss.backward(create_graph=graph)
        return loss

    losses = []
    for _ in range(STEPS):
        _mode(optimizer, "train")
        if with_closure:
            loss = criterion(model(X), y)  # before the step; a closure may tell that of another point
            optimizer.step(closure)
        else:
            loss = closure()
            optimizer.step(*_second(name, loss, closure))
        losses.append(loss.detach().item())
    _mode(optimizer, "eval")
    assert work.valid is not None
    with torch.no_grad():
        output = model.eval()(work.valid.inputs)
        accuracy = (output.argmax(1) == work.valid.targets).double().mean().item()
        return Curve(losses, [criterion(output, work.valid.targets).item(), accuracy])


def _second(name: str, loss: Tensor, closure: Callable[[], Tensor]) -> list[Callable[[], Any]]:
    """Return what a step is called with when the gradients are there."""
    if name in LOSS_CLOSURES:
        return [lambda: loss.detach().item()]
    return [closure] if name.endswith(SECOND_CLOSURES) else []


def _make(component: Component, model: nn.Module, settings: dict[str, Any]) -> Any:
    """Return the optimizer of a model, made as the documentation of its class tells."""
    home, _, name = component.name.rpartition(".")
    cls = getattr(sys.modules[home] if component.load() else None, name)
    offered = {"params": list(model.parameters()), "named_parameters": list(model.named_parameters()), "model": model}
    if any(f"group['{MARK}']" in inspect.getsource(base) for base in cls.__mro__ if base.__module__.startswith(home)):
        matrices, others = ([p for p in model.parameters() if (p.dim() == 2) is flag] for flag in (True, False))
        offered["params"] = [{"params": matrices, MARK: True}, {"params": others, MARK: False}]
    inner = next((key for key in settings if key in INNER), None)
    if inner is None:
        return cls(**{key: offered[key] for key in inspect.signature(cls).parameters if key in offered}, **settings)
    make = settings.pop(inner)  # SGD with its settings, see `_example`
    if next(iter(inspect.signature(cls).parameters)) == inner:
        return cls(make(offered["params"]), **settings)
    given = {key: offered[key] for key in inspect.signature(cls).parameters if key in offered}
    return cls(**given, **{inner: torch.optim.SGD}, **settings, **make.keywords)


def _mode(optimizer: Any, mode: str) -> None:
    change = getattr(optimizer, mode, None)
    if callable(change):
        change()


def by_xprun(spec: dict[str, Any]) -> dict[str, Curve | str]:
    """Return of each alternative of a spec the curve of its only run, or why it failed."""
    with tempfile.TemporaryDirectory() as folder:
        results = run_spec(spec, output=folder, quiet=True)
        rows, history = results.runs.to_dict("records"), results.history
    losses = history[history["metric"] == "loss"].sort_values("step").groupby("run")["value"].agg(list)
    return {
        row["optimizer"]: str(row["reason"])
        if row["status"] == "failed"
        else Curve(losses[row["run"]], [row["final.valid.loss"], row["final.valid.accuracy"]])
        for row in rows
    }


def spec_of(task: tuple[str, str], components: list[Component]) -> dict[str, Any]:
    """Return a spec that trains each with the settings that it needs."""
    layers, dtype = task
    text = SPEC.replace("LAYERS", f"[{layers}]".replace("\n", "")).replace("DTYPE", dtype)
    return tomli.loads(text) | {"optimizer": [{"name": c.name, **_given(c)} for c in components]}


def _given(component: Component) -> dict[str, Any]:
    """Return the settings that a class needs, or of which its documentation says that they are to be set."""
    needed = [s for s in component.settings.values() if s.required]
    return {s.name: _example(s) for s in needed} | SETTINGS.get(component.name, {})


def _example(setting: Setting) -> Any:
    if setting.component_kind:
        return {"name": "SGD", "lr": 0.01, "momentum": 0.9}
    return STEPS if setting.annotation is int else 0.01


def workload(registry: Registry, component: Component, task: tuple[str, str]) -> tuple[Workload, dict[str, Any]]:
    """Return what a class is trained on, and its settings with all defaults, as its constructor takes them."""
    spec = read_spec(read_text(toml_of(spec_of(task, [component])), "spec.toml"))
    [run] = make_plan(resolve(spec, registry), "cpu").runs
    settings = own_settings(registry, component, run.choices["optimizer"].settings)
    return make_workload(registry, run, torch.device("cpu")), settings


def main() -> int:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    registry = open_registry()
    registry.import_plugins()
    left = [c for c in registry.components("optimizer") if _is_asked_for(c.name, wanted)]
    declined = {name: why for (kind, name), why in registry.declined.items() if kind == "optimizer"}
    outcomes = {name: ("declined", why) for name, why in declined.items() if _is_asked_for(name, wanted)}
    for task in TASKS:
        found = {c.name: _try(registry, task, c) for c in left}
        trained = [c for c in left if isinstance(found[c.name], Curve)]
        ours = by_xprun(spec_of(task, trained)) if trained else {}
        outcomes |= {c.name: _judge(found[c.name], ours.get(c.name)) for c in left if task is TASKS[0] or c in trained}
        left = [c for c in left if c not in trained]
    for name, (outcome, words) in sorted(outcomes.items()):
        print(f"{outcome:<12} {name:<44} {words}")
    counts = Counter(outcome for outcome, _ in outcomes.values())
    print("; ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return 1 if counts["DIFFERS"] else 0


def _is_asked_for(name: str, wanted: list[str]) -> bool:
    ours = "." not in name or name.startswith("scratch.")
    return not ours and (not wanted or any(word in name for word in wanted))


def _try(registry: Registry, task: tuple[str, str], component: Component) -> Curve | str:
    try:
        return by_hand(*workload(registry, component, task), component)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"


def _judge(hand: Curve | str, ours: Curve | str | None) -> tuple[str, str]:
    """Return the kind of outcome of a class, and what there is to say."""
    if isinstance(hand, str):
        return "not by hand", hand
    if not isinstance(ours, Curve):
        return "failed", str(ours)
    difference = hand.difference(ours)
    return ("agrees" if difference <= AGREE else "DIFFERS"), f"{difference:.1e}"


if __name__ == "__main__":
    sys.exit(main())
