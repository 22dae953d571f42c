"""Which layer, or the loss, is to blame for a training that broke: found by passing its first rows through again."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.blame import Blamed, Inside, blame, blamed_for, described, failed_layer, shape_words
from xprun.plugins.tensor_groups import call, first_rows
from xprun.runner.resolve.build import is_of_library
from xprun.runner.workload.device_generators import own_draws
from xprun.runner.workload.evaluation_rows import MOST_ROWS
from xprun.runner.workload.model_outputs import pick
from xprun.runner.workload.workload import Workload
from xprun.specs import Run


def blame_part(error: BaseException, work: Workload, run: Run) -> None:
    """Keep on an exception of a run which layer or loss of torch it came from, where its first batch tells."""
    if blamed_for(error):
        return
    try:
        with torch.no_grad(), own_draws(work.device):
            _pass_through(error, work, run)
    except Exception:  # nothing can be told
        return


def _pass_through(error: BaseException, work: Workload, run: Run) -> None:
    rows = min(len(work.train), work.batch_size or MOST_ROWS)
    inputs, targets = first_rows(work.train.inputs, rows), work.train.targets[:rows]
    watched = Watched(work.make_model(run.seed))
    try:
        outputs = call(watched.module, inputs)
    except type(error):
        blame_layer(error, watched, run)
        return
    try:
        work.loss(outputs, targets)
    except type(error):
        blame_loss(error, work, run, outputs, targets)
        return
    _blame_optimizer(error, work, run)


def blame_layer(error: BaseException, watched: Watched, run: Run) -> None:
    """Blame the layer of torch that was at work when a forward pass broke."""
    if watched.inside:
        name, module, shapes = watched.inside[-1]
        if type(module).__module__.startswith("torch."):
            blame(error, Blamed("model", _place(name, run), failed_layer(module, shapes)))


def blame_loss(error: BaseException, work: Workload, run: Run, outputs: Any, targets: Tensor) -> None:
    """Blame a loss of torch, which broke on these."""
    choice = run.choices["loss"]
    if is_of_library(work.registry.find("loss", choice.name)):
        given = {name: value for name, value in choice.settings.items() if name in choice.alternative.written}
        compared = f"outputs {shape_words(pick(outputs, work.output))} and targets {shape_words(targets)}"
        blame(error, Blamed("loss", (), f"{described(choice.name, given)} fails on {compared}"))


def _blame_optimizer(error: BaseException, work: Workload, run: Run) -> None:
    """Blame the optimizer where the model and its loss are sound, and the exception came out of one of torch."""
    choice = run.choices["optimizer"]
    in_torch = any("optim" in Path(frame.filename).parts for frame in extract_tb(error.__traceback__))
    if in_torch and is_of_library(work.registry.find("optimizer", choice.name)):
        given = {name: value for name, value in choice.settings.items() if name in choice.alternative.written}
        blame(error, Blamed("optimizer", (), f"{described(choice.name, given)} fails in a step"))


class Watched:
    """A module, and which of its parts are at work: their names, and the shapes that they were given."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.inside: list[tuple[str, nn.Module, list[Tensor]]] = []
        for name, part in module.named_modules():
            part.register_forward_pre_hook(self._enter(name))
            part.register_forward_hook(self._leave)

    def _enter(self, name: str) -> Any:
        def enter(module: nn.Module, inputs: Any) -> None:
            self.inside.append((name, module, [x for x in inputs if isinstance(x, Tensor)]))

        return enter

    def _leave(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        self.inside.pop()


def _place(name: str, run: Run) -> Inside:
    """Return where a part of the model stands in the spec, by its name in the module: `2.0` is in the third layer."""
    found: list[str | int] = []
    layers = run.choices["model"].settings.get("layers")
    for part in name.split("."):
        if not (isinstance(layers, list) and part.isdecimal() and int(part) < len(layers)):
            break
        found += ["layers", int(part)]
        layers = layers[int(part)].get("layers")
    return tuple(found)
