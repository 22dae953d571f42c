"""What the runs of a cohort share, built once: data on the device, loss, metrics, and how to make a model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from xprun.plugins.blame import blaming
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.double_precision import has_double
from xprun.plugins.objectives.objective import NOISE_SEEDS
from xprun.plugins.objectives.objective_module import ObjectiveModule
from xprun.plugins.registry import Component, Registry
from xprun.plugins.tensor_groups import (
    Tensors,
    first_rows,
    map_parts,
)
from xprun.runner.resolve.build import build, fill_parameters, freeze_parameters
from xprun.runner.resolve.summed_losses import is_sum
from xprun.runner.resolve.timetable import Timetable, timetable_of
from xprun.runner.results.results_schema import LOSS, LOSS_PER_ROW, TEST, TRAIN, VALID
from xprun.runner.store.checkpoints import load_state
from xprun.runner.workload.augmentation import Augmented, Fetched
from xprun.runner.workload.batch_feeds import Drawn, Feed, Rows, sample_of
from xprun.runner.workload.class_weights import balance
from xprun.runner.workload.data_forms import as_table
from xprun.runner.workload.data_split import Split, check_parts, split_rows
from xprun.runner.workload.dataset_rows import DatasetRows
from xprun.runner.workload.device_generators import own_draws, seed_torch
from xprun.runner.workload.devices import deterministic
from xprun.runner.workload.evaluation_rows import predictions, rows_at_once
from xprun.runner.workload.measures import Measure, make_measure
from xprun.runner.workload.meta_model import want_memory_of_model
from xprun.runner.workload.model_outputs import LossOf, Which, check_choice, check_form, is_users, pick, refuse_integers
from xprun.runner.workload.purity import outputs_of, refuse_changes
from xprun.runner.workload.step_schedule import Schedule
from xprun.runner.workload.stored_rows import left_in_place
from xprun.runner.workload.target_shapes import check_classes, check_outputs, with_targets_for
from xprun.specs import Choice, Run, RunSettings
from xprun.specs.language.folds import K_FOLDS
from xprun.specs.language.schema import TORCH, SaveBest
from xprun.specs.language.wording import plural

T = TypeVar("T", Tensor, NDArray[np.float64])
Criterion = Callable[[Any, Tensor], Tensor]  # outputs, targets
Forward = Callable[..., Tensor]  # the loss of a batch, whatever it is given beside


@dataclass(frozen=True)
class Workload:
    """One program: everything about a run but its optimizer and its seed.

    `train`, `valid` and `test` are what is measured; `feed` gives the batches that are trained on. `measure_test` says
    whether the test rows are measured at each evaluation, or when a run has ended, and `measure_train` whether all
    training rows are, or the batches of the epoch, or none.
    """

    registry: Registry
    train: Table
    valid: Table | None
    feed: Feed
    batch_size: int | None  # None: full batch
    loss: Criterion
    metrics: dict[str, Measure]
    matrices: dict[str, Measure]  # measured once, at the end of a run
    goals: dict[str, str]  # of each metric: "min" or "max"
    model: Choice
    schedule: Schedule
    device: torch.device
    dtype: torch.dtype
    manual: bool = False  # whether the model brings the gradient itself
    save: str | SaveBest | None = None  # of which step a checkpoint is kept
    visuals: bool = True  # whether what only plots need is kept, too
    test: Table | None = None
    measure_test: Literal["end", "each"] = "end"
    measure_train: Literal["full", "running", "none"] = "full"
    output: Which = None  # of several outputs of the model, the one that the loss takes
    accumulate: int = 1  # batches of a step, whose gradient is the mean of theirs
    autocast: torch.dtype | None = None  # of products in the forward pass of a step
    backend: str = TORCH  # the framework that takes the steps
    summed: bool = False  # whether the loss is a sum over the rows, which is told per row, too

    @property
    def batches_per_epoch(self) -> int | None:
        """How many batches the rows make up; None for a stream, which draws as many as are asked for."""
        return None if isinstance(self.feed, Drawn) else _batches_in(len(self.train), self.batch_size)

    @property
    def is_full_batch(self) -> bool:
        """Whether all steps see the same rows: all that there are."""
        return self.batch_size is None

    def in_training(self, forward: Forward) -> Forward:
        """Return a function of a forward pass in the precision of a step: see `run.autocast`."""
        if self.autocast is None:
            return forward
        cast: Forward = torch.autocast(self.device.type, self.autocast)(forward)
        return cast

    def make_model(self, seed: int) -> nn.Module:
        """Return the model with the parameters that the seed gives it, the same whatever the optimizer is."""
        with own_draws(self.device):
            seed_torch(seed, self.device)
            module = self._fresh_model()
        module = module.to(self.dtype).to(self.device)  # which may lack a precision that it is made in
        if start_from := self.model.settings["start_from"]:
            load_state(module, start_from.found())
        return module

    def _fresh_model(self) -> nn.Module:
        settings, x = self.model.settings, self.shown_to_models
        module: nn.Module = build(
            self.registry, "model", self.model.name, settings, x, self.all_targets, dtype=self.dtype
        )
        fillers = {
            key: build(
                self.registry, "init", init["name"], {k: v for k, v in init.items() if k != "name"}, dtype=self.dtype
            )
            for key, init in settings["init"].items()
        }
        fill_parameters(module, fillers)
        freeze_parameters(module, settings["freeze"])
        return module

    @property
    def shown_to_models(self) -> Tensors:
        """The few rows that a model is made with."""
        return map_parts(_as_a_model_sees_it, first_rows(self.train.inputs, 2))

    @cached_property
    def all_targets(self) -> Tensor:
        """The targets of all rows, held-out ones included: a model must have an output for each class in them."""
        return torch.cat([table.targets.cpu() for table in self.every_split.values()])

    def check_outputs(self, loss: Component) -> None:
        """Raise ValueError where the loss or a metric cannot take what the model makes of two rows.

        That is where it returns several tensors, or where they have not the shape that the loss compares with.
        And where one of them changes its inputs.
        """
        inputs, targets = first_rows(self.train.inputs, 2), self.train.targets[:2]
        module = self.make_model(0).eval()
        if not trained_parameters(module):
            with blaming("model", self.model.name):
                raise ValueError("it has no parameter to train")
        try:
            with torch.no_grad(), own_draws(self.device):
                outputs = outputs_of(self.model.name, module, inputs)
        except (IndexError, RuntimeError, TypeError) as error:
            refuse_integers(inputs, error)
            return  # the training will break in the same way, and tell which run it was
        self.check_fit(loss, outputs, targets)
        self._refuse_changes(loss, outputs, targets, trained_parameters(module))

    def check_fit(self, loss: Component, outputs: Any, targets: Tensor) -> None:
        """Raise ValueError where the loss or a metric does not take the form of a model's outputs for some rows."""
        criterion = self.loss.loss if isinstance(self.loss, LossOf) else self.loss
        check_form(outputs, len(targets))
        check_choice(loss, self.output, outputs)
        for measure in (*self.metrics.values(), *self.matrices.values()):
            check_choice(measure.component, measure.output, outputs)
        check_outputs(criterion, pick(outputs, self.output), targets)
        check_classes(criterion, pick(outputs, self.output), self.all_targets)

    def _refuse_changes(self, loss: Component, outputs: Any, targets: Tensor, parameters: dict[str, Tensor]) -> None:
        """Raise ValueError where the loss or a metric of the user's changes what it is given."""
        measures = [*self.metrics.values(), *self.matrices.values()]
        asked: list[tuple[Component, Criterion]] = [(loss, self.loss)]
        asked += [(measure.component, partial(measure, parameters=parameters)) for measure in measures]
        with torch.no_grad(), own_draws(self.device):
            for component, function in asked:
                if is_users(component):
                    refuse_changes(component, function, outputs, targets)

    def timetable(self, run: Run, rate: float | None = None) -> Timetable | None:
        """Return how a scheduler changes the settings of a run's optimizer; see `timetable_of`."""
        with blaming("scheduler", "does not fit this run"):
            return timetable_of(self.registry, run, self.schedule.steps, self.schedule.steps_per_epoch, rate)

    @cached_property
    def rows_at_once(self) -> int:
        """How many rows a lone model is measured on at once."""
        return rows_at_once(self.make_model(0).eval(), self.train.inputs)

    @property
    def splits(self) -> dict[str, Table]:
        """The sets that are measured at an evaluation: train where metrics are asked for, others where held out."""
        left_out = ([] if self.metrics and self.measure_train == "full" else [TRAIN]) + [*self.splits_at_end]
        return {split: table for split, table in self.every_split.items() if split not in left_out}

    @property
    def splits_at_end(self) -> dict[str, Table]:
        """The sets that are measured only when a run has ended."""
        return {TEST: self.test} if self.test and self.measure_test == "end" else {}

    @property
    def averages_batches(self) -> bool:
        """Whether the training rows are measured as they are trained on."""
        return bool(self.metrics) and self.measure_train == "running"

    @property
    def splits_of_matrices(self) -> dict[str, Table]:
        """The sets on which matrices are measured: those whose rows are measured by one model all."""
        left_out = [] if self.measure_train == "full" else [TRAIN]
        return {split: table for split, table in self.every_split.items() if split not in left_out}

    @property
    def every_split(self) -> dict[str, Table]:
        """The sets that there are."""
        known = {TRAIN: self.train, VALID: self.valid, TEST: self.test}
        return {split: table for split, table in known.items() if table}

    def told_losses(self, split: str, loss: T, rows: int) -> dict[str, T]:
        """Return the loss on so many rows as it is told: `train.loss`, and where it is a sum `train.loss_per_row`."""
        told = {f"{split}.{LOSS}": loss}
        return told | {f"{split}.{LOSS_PER_ROW}": loss / rows} if self.summed else told

    def rows_of_steps(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how many rows each of these steps sees; of one with several batches, how many each has on average."""
        if self.batches_per_epoch is None or self.batch_size is None:
            return np.full(len(steps), float(self.batch_size or len(self.train)))
        first = (steps - 1) % self.schedule.steps_per_epoch * self.accumulate  # batch of the epoch
        last = np.minimum(first + self.accumulate, self.batches_per_epoch)
        rows = np.minimum(last * self.batch_size, len(self.train)) - first * self.batch_size
        return np.asarray(rows / (last - first), dtype=np.float64)

    def measure(self, module: nn.Module, splits: dict[str, Table]) -> dict[str, Tensor]:
        """Return `train.loss`, `valid.accuracy`, ... of a model on some sets, as scalars on its device."""
        results: dict[str, Tensor] = {}
        for split, table in splits.items():
            prediction = predictions(module, table.inputs, self.rows_at_once)
            results |= self.told_losses(split, self.loss(prediction, table.targets), len(table))
            for name, metric in self.metrics.items():
                results[f"{split}.{name}"] = metric(prediction, table.targets, trained_parameters(module))
        return results


def _as_a_model_sees_it(inputs: Tensor) -> Tensor:
    """Return inputs that show a model their shape, on the CPU and, where they are real numbers, in single precision."""
    return inputs.cpu().float() if inputs.is_floating_point() else inputs.cpu()


def trained_parameters(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters by name, without those that are frozen."""
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def untrained(module: nn.Module) -> dict[str, Tensor]:
    """Return what a module holds beside its trained parameters by name: buffers, and parameters that are frozen."""
    trained = trained_parameters(module)
    return {name: tensor for name, tensor in module.state_dict().items() if name not in trained}


def named_views(flat: Tensor, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Return parameters [..., P], one behind the other in the order of `shapes`, as views [..., *shape] by name."""
    parts = flat.split([shape.numel() for shape in shapes.values()], -1)
    named = zip(shapes.items(), parts, strict=True)
    return {name: part.unflatten(-1, shape) if shape else part.squeeze(-1) for (name, shape), part in named}


def split_by_name(module: nn.Module, flat: Tensor) -> dict[str, Tensor]:
    """Return views of a vector [P] with the names and shapes of a module's trained parameters."""
    return named_views(flat, {name: p.shape for name, p in trained_parameters(module).items()})


def make_workload(registry: Registry, run: Run, device: torch.device) -> Workload:
    """Return the workload of a run, which is that of all runs of its cohort."""
    work = unchecked_workload(registry, run, device)
    want_memory_of_model(registry, work.model, work.shown_to_models, work.all_targets, work.dtype)
    with deterministic(run.settings.deterministic):
        work.check_outputs(registry.find("loss", run.choices["loss"].name))
    return work


def unchecked_workload(registry: Registry, run: Run, device: torch.device) -> Workload:
    """Return the same, without a look at the model."""
    data, loss, settings = run.choices["data"], run.choices["loss"], run.settings
    dtype = dtype_on(device, settings.dtype)
    batch_size = None if data.settings["batch_size"] == "full" else data.settings["batch_size"]
    criterion = build(registry, "loss", loss.name, loss.settings, dtype=dtype)
    output = loss.settings.get("output")  # a run that was saved before there was a choice has no such setting
    split: Split
    feed: Feed
    if registry.find("model", run.choices["model"].name).is_objective:
        split, feed, batch_size = _rows_of_objective(registry, run, device, dtype)
    else:
        made = as_table(data.name, build(registry, "data", data.name, data.settings), batch_size)
        made = with_targets_for(criterion, made)
        check_parts(registry.find("data", data.name), data.settings, made)
        split, feed = _split_and_feed(made, data.settings, batch_size, device, dtype)
    train, measures_test = split.train, bool(split.test) and settings.measure_test == "each"
    if loss.settings.get("class_weights"):
        balance(criterion, train.targets.cpu(), count_classes(split))
    on_device = criterion.to(dtype).to(device) if isinstance(criterion, nn.Module) else criterion
    measures_train = bool(settings.scalars) and settings.measure_train != "none"
    evaluates = bool(split.valid or measures_train or measures_test)
    return Workload(
        registry,
        train,
        split.valid,
        feed,
        batch_size,
        on_device if output is None else LossOf(on_device, output),
        {m.column: make_measure(registry, m, criterion, train, output, dtype=dtype) for m in settings.scalars},
        {m.column: make_measure(registry, m, criterion, train, output, dtype=dtype) for m in settings.matrices},
        {m.column: m.goal for m in settings.scalars},
        run.choices["model"],
        Schedule.of(settings, _steps_per_epoch(settings, feed, len(train), batch_size), evaluates=evaluates),
        device,
        dtype,
        settings.gradient == "manual",
        settings.save,
        test=split.test,
        measure_test=settings.measure_test,
        measure_train=settings.measure_train,
        accumulate=settings.accumulate,
        autocast=autocast_on(device) if settings.autocast == "bfloat16" else None,
        output=output,
        backend=settings.backend,
        summed=is_sum(registry.find("loss", loss.name), loss.settings),
    )


def _rows_of_objective(
    registry: Registry, run: Run, device: torch.device, dtype: torch.dtype
) -> tuple[Split, Feed, int | None]:
    """Return the row on which an objective is measured, and batches of what its steps are given with their size.

    That is a row of fresh noise, or always the same one. Where an objective starts is drawn, and does not matter here.
    """
    model = run.choices["model"]
    with torch.random.fork_rng(devices=[]):
        module: ObjectiveModule = build(registry, "model", model.name, model.settings, dtype=dtype)
    split, sample = Split(module.rows()).moved(device, dtype), module.sample()
    if sample is None:
        return split, Rows(split.train, None), None
    return split, Drawn(Stream(sample), 1, device, dtype, NOISE_SEEDS), 1


def _steps_per_epoch(settings: RunSettings, feed: Feed, rows: int, batch_size: int | None) -> int:
    """Return how many steps see all rows once, each of `accumulate` batches, the last of those that are left.

    Raises ValueError where an epoch has fewer batches than a step is to have.
    """
    batches = _batches_in(rows, batch_size)
    if isinstance(feed, Drawn):
        return batches  # an epoch of a stream is so many steps, whatever is drawn for them
    if settings.accumulate > batches:
        only = f"an epoch has only {batches} {plural('batch', batches)}"
        raise ValueError(f"run.accumulate = {settings.accumulate}, but {only}")
    return math.ceil(batches / settings.accumulate)


def _batches_in(rows: int, batch_size: int | None) -> int:
    return math.ceil(rows / (batch_size or rows))


def dtype_on(device: torch.device, wanted: str) -> torch.dtype:
    """Return the precision of `run.dtype`; raises ValueError on a device that lacks it."""
    if wanted == "float64" and not has_double(device.type):
        raise ValueError(f'run.dtype = "float64" cannot be had on {device.type}, which has no double precision')
    return torch.float64 if wanted == "float64" else torch.float32


def autocast_on(device: torch.device) -> torch.dtype:
    """Return the precision of `run.autocast`; raises ValueError on a device where torch does not offer it."""
    try:
        with warnings.catch_warnings(action="error"):
            torch.autocast(device.type, torch.bfloat16)
    except (RuntimeError, UserWarning) as error:
        raise ValueError(f'run.autocast = "bfloat16" cannot be had on {device}: {error}') from None
    return torch.bfloat16


def count_classes(split: Split) -> int:
    """Return how many classes there are in all rows, held-out ones included."""
    return 1 + max(int(part.targets.max()) for part in (split.train, split.valid, split.test) if part)


def _split_and_feed(
    made: Table | Stream, settings: dict[str, Any], batch_size: int | None, device: torch.device, dtype: torch.dtype
) -> tuple[Split, Feed]:
    """Return the rows that are trained on and those held out, and where the batches come from."""
    if isinstance(made, Stream):
        apart = settings[VALID] or settings.get(TEST) or settings.get(K_FOLDS)
        if batch_size is None or apart or settings["standardise"]:
            raise ValueError(
                "a stream draws fresh rows at every step: it has no batch_size = 'full', valid, test, k_folds or "
                "standardise"
            )
        drawn = Drawn(made, batch_size, device, dtype)
        return Split(sample_of(drawn, settings["split_seed"])), drawn
    made = left_in_place(made) if device.type == "cpu" else made
    split = split_rows(made, settings).moved(device, dtype)
    if isinstance(split.train.inputs, DatasetRows):
        return split, Fetched(split.train, batch_size, device, dtype, split.train.inputs.items.workers)
    if augmentation := split.train.augmentation:
        return split, Augmented(split.train, batch_size, device, dtype, augmentation.workers)
    return split, Rows(split.train, batch_size)
