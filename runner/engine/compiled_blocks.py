"""Many steps of a grid in one call: of a compiled loop, in trainings that repay it, or of a graph of a GPU's work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from xprun.plugins.objectives.objective_module import ObjectiveModule
from xprun.runner.engine.block_cache import How, block_for, stop_compilers
from xprun.runner.engine.block_compiler import Block, CompilerError
from xprun.runner.engine.graph_blocks import GraphBlock, has_graphs
from xprun.runner.engine.programs.stacked import Stacked
from xprun.runner.engine.step_function import (
    NotPureError,
    StepFunction,
    families_of_rules,
    stacked,
    step_function,
)
from xprun.runner.process.log import note, words_of
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Batch
from xprun.specs import RunSettings

if TYPE_CHECKING:
    from xprun.runner.engine.loop import Training

REPAYS = 15.0  # seconds of training below which the compiler costs more than it saves
LOADS = 0.5  # seconds of training for which a block that is kept is worth a look
SHORT_STEP = 2e-3  # seconds; longer steps are spent on products of matrices, of which nothing can be saved
MORE_THAN_A_STEP = ("clip_norm", "clip_value", "accumulate", "autocast", "average")
TRIED = 32  # steps of a block, to tell how long it takes
FEWEST = 4  # steps that are worth a call; so many are taken in the ordinary way, too, and compared, before the first
ROWS = 2**22  # numbers of the batches that are handed to one call at most
AGREEMENT = 1e-3  # relative and absolute; after a few steps rounding is far below it

Shapes = tuple[torch.Size, ...]


def compile_if_it_repays(training: Training, seconds_per_step: float, *, saved: bool) -> CompiledBlocks | None:
    """Return the blocks of a training, to be had when they are first taken, or None where that would not repay.

    They are compiled beside the training where it has a long way to go. Where it has not, those that are kept from
    earlier times are taken. `run.compile` forces blocks, for which the training waits, or forbids them. One that is
    `saved` from time to time waits, too: it goes on to the bit, whatever the clock and the cache.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()  # a fork has no other threads
    device = training.work.device
    if not training.program.batched or not in_main_thread:
        return None
    wanted = training.grid.runs[0][0].settings.compile
    left = training.work.schedule.steps - training.steps
    if wanted == "auto" and _has_constants(training):
        return None
    if wanted is True and left >= FEWEST:
        return _fresh(training, "wait")
    if not may_repay(wanted, seconds_per_step, left):
        return None
    if device.type != "cpu":  # a graph is recorded in no time, and is there or is not
        return _fresh(training, "wait", quiet=True) if has_graphs(device) else None
    seconds = min(seconds_per_step * left, training.rules.seconds_left)
    how: How = "kept" if seconds < REPAYS else "wait" if saved else "beside"
    return None if saved and how == "kept" else _fresh(training, how)


def may_repay(wanted: bool | str, seconds_per_step: float, steps: int) -> bool:
    """Whether blocks are worth a look for so many steps: they are forced, or steps are short and take long in all."""
    if wanted == "auto":
        return seconds_per_step < SHORT_STEP and seconds_per_step * steps > LOADS
    return wanted is True and steps >= FEWEST


def outlook(training: Training, seconds_per_step: float) -> tuple[How | None, float]:
    """Return how a training that is not saved will have its blocks, if at all, and about the seconds of a step.

    Steps are taken of a block that is kept, with what the training has; none is compiled for that.
    """
    blocks = compile_if_it_repays(training, seconds_per_step, saved=False)
    if blocks is None or not blocks.work or training.work.device.type != "cpu":
        return None, seconds_per_step
    kept, batches = _fresh(training, "kept"), [next(training.feed) for _ in range(TRIED)]
    alike = [batch for batch in batches if batch[0].shape == batches[0][0].shape]
    with torch.set_grad_enabled(training.optimizers.builds_graphs):
        if kept.take(training, alike) is None:
            return (None if blocks.how == "kept" else blocks.how), seconds_per_step
        start = time.perf_counter()
        kept.take(training, alike)
    return "kept", (time.perf_counter() - start) / len(alike)


def _fresh(training: Training, how: How, *, quiet: bool = False) -> CompiledBlocks:
    """Return blocks that are had when they are first taken, if their steps are nothing but gradients and rules."""
    blocks, settings = CompiledBlocks(how, quiet=quiet), training.grid.runs[0][0].settings
    more = [n for n in MORE_THAN_A_STEP if getattr(settings, n) != RunSettings.model_fields[n].default]
    if more:
        blocks.refuse(f"with run.{more[0]} they cannot be")
    elif training.running and training.running.counts_all:
        blocks.refuse('run.measure_train = "running" looks at every batch')
    elif _has_constants(training):
        blocks.refuse("an objective with constants cannot be")
    return blocks


def _has_constants(training: Training) -> bool:
    """Whether steps have tensors that are no arguments, of which the compiler of a scan makes nothing on the CPU."""
    module = getattr(training.program, "module", None)
    return training.work.device.type == "cpu" and isinstance(module, ObjectiveModule) and bool(module.constants)


class CompiledBlocks:
    """The blocks of a training, for each shape of a batch, compiled and checked when they are first taken."""

    def __init__(self, how: How = "wait", *, quiet: bool = False) -> None:
        self.how: How = how
        self._quiet = quiet or how == "kept"
        self._function: StepFunction | None = None
        self._blocks: dict[Shapes, Block] = {}
        self._compared: set[Shapes] = set()  # shapes of which the first steps have been, maybe by an earlier process
        self._broken = False

    @property
    def work(self) -> bool:
        """Whether steps may be taken in blocks."""
        return not self._broken

    def most(self, batch: Batch) -> int:
        """Return how many steps a block may have at most: their batches are handed in at once."""
        return max(FEWEST, ROWS // max(1, sum(part.numel() for part in batch)))

    def take(self, training: Training, batches: list[Batch]) -> Tensor | None:
        """Take a step with each batch and return the losses [n, S, K], or None where it cannot.

        All batches have one shape.
        """
        if self._broken or len(batches) < 2:
            return None
        shapes: Shapes = (stacked(training).flat.shape, *(part.shape for part in batches[0]))
        if shapes not in self._blocks:
            self._make(training, shapes, batches)
        if self._broken or shapes not in self._blocks:
            return None
        take = self._step if shapes in self._compared else self._begin
        return take(training, shapes, batches)

    def _step(self, training: Training, shapes: Shapes, batches: list[Batch]) -> Tensor:
        if training.trajectory.before(training.steps + 1):
            with _draws_kept(stacked(training)):
                stacked(training).differentiate(batches[0])  # which is seen, and changes no step
        losses, *moved = self._blocks[shapes](self._arguments(training, batches))
        families, left = families_of_rules(training), iter(moved)
        parameters = [next(left) for _ in families]
        stacked(training).replace(parameters[0] if len(families) == 1 else torch.cat(parameters, 1))
        for family in families:
            family.go_on(tuple(next(left) for _ in family.states))
        training.steps += len(batches)
        training.in_blocks += len(batches)
        return losses

    def _begin(self, training: Training, shapes: Shapes, batches: list[Batch]) -> Tensor:
        """Take the first steps of a shape in both ways, and go on with those of the ordinary one."""
        few, rest = batches[:FEWEST], batches[FEWEST:]
        with _draws_kept(stacked(training)):
            found = self._blocks[shapes](self._arguments(training, few))[0].clone()
        losses = torch.stack([training.step(batch) for batch in few])
        if not torch.allclose(found, losses, AGREEMENT, AGREEMENT, equal_nan=True):
            self.refuse("their losses would be others")
        self._compared.add(shapes)
        if not rest:
            return losses
        more = self.take(training, rest)
        return torch.cat([losses, torch.stack([training.step(batch) for batch in rest]) if more is None else more])

    def _make(self, training: Training, shapes: Shapes, batches: list[Batch]) -> None:
        """Have the block for batches of this shape from the cache, or compiled; what cannot be compiled is no error."""
        try:
            with training.rules.off_the_clock():
                block = self._made(training, batches[:FEWEST])
                if block:
                    self._blocks[shapes] = block
                self._broken |= block is None and self.how == "kept"
        except (NotPureError, CompilerError) as error:
            self.refuse(words_of(error))
        except Exception as error:  # whatever the tracer cannot do
            self.refuse(f"{type(error).__name__}: {words_of(error)[:200]}")

    def _made(self, training: Training, batches: list[Batch]) -> Block | None:
        """Return the block for such batches: from a compiler, or on a GPU recorded. None where it is not there yet."""
        device, shared = training.work.device, training.work.is_full_batch
        self._function = self._function or step_function(training, may_draw=has_graphs(device))
        arguments = self._arguments(training, batches)
        if device.type == "cpu":
            return block_for(self._function, arguments, shared=shared, how=self.how)
        if not has_graphs(device):
            raise CompilerError(f"there is no compiler for {device.type}")
        return GraphBlock(self._function, arguments, shared, stacked(training).generators)

    def _arguments(self, training: Training, batches: list[Batch]) -> list[Tensor]:
        """Return the numbers of the steps, the rows, the parameters, the settings, and the states."""
        assert self._function is not None
        families, flat = families_of_rules(training), stacked(training).flat
        first, steps = training.steps + 1, len(batches)
        t = torch.arange(first, first + steps, dtype=torch.float64, device=flat.device)
        parameters = [flat[:, family.start : family.stop].contiguous() for family in families]
        states = [state for family in families for state in family.states]
        rows = [stacked(training).rows_of(batch) for batch in (batches[:1] if training.work.is_full_batch else batches)]
        inputs, targets = [cast(Tensor, x) for x, _ in rows], [y for _, y in rows]
        x, y = (
            part[0].contiguous() if training.work.is_full_batch else torch.stack(part) for part in (inputs, targets)
        )
        settings = self._function.settings_over(families, training.steps, len(batches))
        return [t, x, y, *parameters, *settings, *states]

    def state(self) -> State:
        return {
            "how": self.how,
            "quiet": self._quiet,
            "broken": self._broken,
            "compared": [[list(shape) for shape in shapes] for shapes in self._compared],
        }

    def restore(self, state: State) -> None:
        self.how, self._quiet, self._broken = state["how"], state["quiet"], state["broken"]
        self._compared = {tuple(torch.Size(shape) for shape in shapes) for shapes in state["compared"]}

    def refuse(self, why: str) -> None:
        """Take no compiled step."""
        self._broken = True
        if not self._quiet:
            note(f"the steps are not compiled: {why}")

    def stop(self) -> None:
        """End compilers that are still at work, for nobody."""
        stop_compilers()


@contextmanager
def _draws_kept(program: Stacked) -> Iterator[None]:
    """Leave the generators of a program as they were."""
    before = [generator.get_state() for generator in program.generators]
    yield
    for generator, state in zip(program.generators, before, strict=True):
        generator.set_state(state)
