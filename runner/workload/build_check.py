"""Builds the data, the loss and the model of the runs of a spec and passes two rows through, without any training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from xprun.plugins.blame import blamed_for
from xprun.plugins.datasets.image_shapes import shape_of
from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.registry import Registry
from xprun.plugins.tensor_groups import call, first_rows, map_parts
from xprun.runner.process.log import note, words_of
from xprun.runner.resolve.build import freeze_parameters, named_parameters
from xprun.runner.workload.failing_part import Watched, blame_layer, blame_loss
from xprun.runner.workload.meta_model import model_on_meta
from xprun.runner.workload.workload import Workload, unchecked_workload
from xprun.specs import Diagnostic, Run, Spec
from xprun.specs.language.expansion import expand
from xprun.specs.language.listed_diagnostics import gathered

FAULTS = (Exception, SystemExit)
SMALL = 5_000_000  # parameters of a model that is built with numbers, which tell more than shapes
CPU = torch.device("cpu")


def build_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield what breaks when data, loss and model of a spec are built, once for each combination of them."""
    if spec.listed:
        found = {
            n: list(build_problems(part, registry)) for n, part in zip(spec.document.listed, spec.listed, strict=True)
        }
        yield from gathered(spec.document, found)
        return
    first = {tuple(run.choices[s].identity for s in ("data", "loss", "model")): run for run in reversed(expand(spec))}
    builder = _Builder(registry)
    yield from dict.fromkeys(problem for run in reversed(first.values()) for problem in builder.problems_of(run))


class _Builder:
    """Builds the parts of runs; the data and the loss of the latest one are kept for other models."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.latest: dict[tuple[str, ...], Workload] = {}

    def problems_of(self, run: Run) -> Iterator[Diagnostic]:
        section = "data"
        try:
            work = self.workload_of(run)
            section = "model"
            if _is_small(work):
                work.check_outputs(self.registry.find("loss", run.choices["loss"].name))
                _pass_rows(work, run)
            else:
                _pass_shapes(work, run)
        except MissingFilesError as error:
            yield from _problems_without_files(self.registry, run, error)
        except FAULTS as error:
            yield _diagnostic(run, section, error)

    def workload_of(self, run: Run) -> Workload:
        key = tuple(run.choices[section].identity for section in ("data", "loss"))
        if self.registry.find("model", run.choices["model"].name).is_objective:
            key = (*key, run.choices["model"].identity)  # which brings its own
        if key not in self.latest:
            self.latest = {key: unchecked_workload(self.registry, run, CPU)}
        return replace(self.latest[key], model=run.choices["model"])


def _is_small(work: Workload) -> bool:
    """Whether a model is small enough to be built with numbers; it must be where it cannot be without."""
    try:
        module = model_on_meta(work.registry, work.model, work.shown_to_models, work.all_targets, work.dtype)
    except FAULTS:
        return True
    return sum(parameter.numel() for parameter in module.parameters()) <= SMALL


def _pass_rows(work: Workload, run: Run) -> None:
    """Pass two rows through the model and the loss; an exception tells which layer it came from."""
    inputs, targets = first_rows(work.train.inputs, 2), work.train.targets[:2]
    watched = Watched(work.make_model(run.seed).eval())
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            outputs = call(watched.module, map_parts(torch.clone, inputs))
        except FAULTS as error:
            blame_layer(error, watched, run)
            raise
        try:
            work.loss(outputs, targets)
        except FAULTS as error:
            blame_loss(error, work, run, outputs, targets)
            raise


def _pass_shapes(work: Workload, run: Run) -> None:
    """Do the same with a model that is too large, whose tensors are shapes alone; its loss is held against these."""
    module = model_on_meta(work.registry, work.model, work.shown_to_models, work.all_targets, work.dtype)
    for key in work.model.settings["init"]:
        named_parameters(module, key, "init")
    freeze_parameters(module, work.model.settings["freeze"])
    watched = Watched(module.to(work.dtype).eval())
    try:
        with torch.no_grad():
            outputs = call(watched.module, map_parts(lambda part: part.to("meta"), first_rows(work.train.inputs, 2)))
    except FAULTS as error:
        blame_layer(error, watched, run)
        raise
    work.check_fit(work.registry.find("loss", run.choices["loss"].name), outputs, work.train.targets[:2])


def _problems_without_files(registry: Registry, run: Run, missing: MissingFilesError) -> Iterator[Diagnostic]:
    """Yield what breaks in a model for images of which no file is there, where their shape is known from their name."""
    choice = run.choices["data"]
    shape = shape_of(choice.name, choice.settings)
    if None in shape or choice.settings.get("transforms"):
        note(f"the model is not built for {choice.name}: {words_of(missing)}")
        return
    inputs = torch.zeros(2, *(size or 0 for size in shape))
    try:
        module = model_on_meta(registry, run.choices["model"], inputs, torch.zeros(2, dtype=torch.int64), torch.float32)
        watched = Watched(module.eval())
        try:
            with torch.no_grad():
                call(module, inputs.to("meta"))
        except FAULTS as error:
            blame_layer(error, watched, run)
            raise
    except FAULTS as error:
        yield _diagnostic(run, "model", error)


def _diagnostic(run: Run, section: str, error: BaseException) -> Diagnostic:
    blamed = blamed_for(error)
    words = f"{type(error).__name__}: {words_of(error)}"
    if blamed is None:
        return Diagnostic((*run.choices[section].alternative.path, "name"), words)
    path = (*run.choices[blamed.section].alternative.path, *blamed.inside)
    return Diagnostic(path, f"{blamed.what}: {words}")
