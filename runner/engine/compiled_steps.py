"""Several steps of a grid in one compiled call, for trainings so long that they repay the compiler's seconds."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap
from xprun.plugins.tensor_groups import tensors_in
from xprun.runner.engine.optimizer_families import Families, Family
from xprun.runner.engine.programs.stacked import Stacked
from xprun.runner.process.log import note, words_of
from xprun.runner.store.snapshots import State
from xprun.runner.workload.run_grid import Batch
from xprun.specs import RunSettings

if TYPE_CHECKING:
    from xprun.runner.engine.loop import Training

AT_ONCE = 4  # steps in one call: the compiler's time grows faster than their number, and more of them gain little
REPAYS = 20.0  # seconds of training below which the compiler costs more than it saves
SHORT_STEP = 1e-3  # seconds; longer steps are spent on arithmetic, of which little can be saved
NOT_COMPILED = ("clip_norm", "clip_value", "accumulate", "autocast", "average")
AGREEMENT = 1e-3  # relative and absolute: after a few steps rounding is far below it

Function = Callable[..., Sequence[Tensor]]  # what `_arguments` lists in; parameters, losses and states out


def compile_if_it_repays(training: Training, seconds_per_step: float) -> CompiledSteps | None:
    """Return the steps of a training, to be compiled when they are first taken, or None where that would not repay.

    `run.compile` forces or forbids it.
    """
    if not training.program.batched:
        return None
    wanted = training.grid.runs[0][0].settings.compile
    left = training.work.schedule.steps - training.steps
    is_long = seconds_per_step * left > REPAYS and training.rules.seconds_left > REPAYS
    repays = seconds_per_step < SHORT_STEP and is_long
    in_main_thread = threading.current_thread() is threading.main_thread()  # the tracer is not made for others
    forced = wanted is True and left >= AT_ONCE
    return _fresh(training) if in_main_thread and (forced or (wanted == "auto" and repays)) else None


def _fresh(training: Training) -> CompiledSteps:
    """Return steps that are compiled when they are first taken, if they are nothing but gradients and rules."""
    steps, settings = CompiledSteps(), training.grid.runs[0][0].settings
    more = [name for name in NOT_COMPILED if getattr(settings, name) != RunSettings.model_fields[name].default]
    if more:
        steps.refuse(f"with run.{more[0]} they cannot be")
    return steps


class CompiledSteps:
    """AT_ONCE steps of all runs of a training, compiled and checked when they are first taken."""

    def __init__(self) -> None:
        self._call: Function | None = None
        self._shapes: list[torch.Size] = []
        self._broken = False

    def take(self, training: Training, batches: list[Batch]) -> Tensor | None:
        """Take a step with each batch and return the losses [AT_ONCE, S, K], or None where it cannot.

        The last batch of an epoch may have fewer rows than were compiled for, and the last steps may be fewer.
        """
        if self._broken:
            return None
        wanted = self._shapes or _shapes(training, batches[0])
        if len(batches) != AT_ONCE or any(_shapes(training, batch) != wanted for batch in batches):
            return None
        if not self._shapes:
            self._shapes = wanted
            return self._begin(training, batches)
        if self._call is None:  # an earlier process has begun
            self._compiled_losses(training, batches)
        if self._broken or self._call is None:
            return None
        flat, losses, *states = self._call(*_arguments(training, batches))
        _program(training).replace(flat)
        left = iter(states)
        for family in _families(training):
            family.states = tuple(next(left) for _ in family.states)
        training.steps += AT_ONCE
        return losses

    def state(self) -> State:
        return {"broken": self._broken, "shapes": [list(shape) for shape in self._shapes]}

    def restore(self, state: State) -> None:
        self._broken, self._shapes = state["broken"], [torch.Size(shape) for shape in state["shapes"]]

    def _begin(self, training: Training, batches: list[Batch]) -> Tensor:
        """Compile the steps, take them in the ordinary way, compare, and return the losses."""
        found = self._compiled_losses(training, batches)
        losses = torch.stack([training.step(batch) for batch in batches])
        if found is not None and not torch.allclose(found, losses, AGREEMENT, AGREEMENT, equal_nan=True):
            self.refuse("their losses would be others")
        return losses

    def _compiled_losses(self, training: Training, batches: list[Batch]) -> Tensor | None:
        """Compile the steps and return the losses that they give; what cannot be compiled is no error."""
        try:
            # torch warns of parts of its own
            with training.rules.off_the_clock(), warnings.catch_warnings(action="ignore"):
                self._call = _compile(training, batches)
            return self._call(*_arguments(training, batches))[1].clone()
        except Exception as error:  # whatever the tracer or the compiler cannot do
            self.refuse(f"{type(error).__name__}: {words_of(error)[:200]}")
            return None

    def refuse(self, why: str) -> None:
        """Take no compiled step."""
        self._broken = True
        note(f"the steps are not compiled: {why}")


def _program(training: Training) -> Stacked:
    """Return the program of a training, which is a batched one."""
    return cast(Stacked, training.program)


def _families(training: Training) -> list[Family]:
    """Return the families of a training in a batched program, which are of rules all."""
    return cast(Families, training.optimizers).families


def _shapes(training: Training, batch: Batch) -> list[torch.Size]:
    return [_program(training).flat.shape, *(part.shape for part in batch)]


def _arguments(training: Training, batches: list[Batch]) -> list[Tensor]:
    """Return the parameters, the step number, the states, and the rows; of a full batch one copy is enough."""
    t = torch.tensor(training.steps, dtype=torch.float64)
    states = [state for family in _families(training) for state in family.states]
    rows = [_program(training).rows_of(batch) for batch in (batches if training.work.batch_size else batches[:1])]
    return [_program(training).flat, t, *states, *(part for x, y in rows for part in (*tensors_in(x), y))]


def _compile(training: Training, batches: list[Batch]) -> Function:
    steps, arguments = _steps(training), _arguments(training, batches)
    import torch._inductor.config
    from torch._inductor.compile_fx import compile_fx
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(steps)(*arguments)
    with torch._inductor.config.patch(compile_threads=1):  # no processes of its own
        compiled: Any = compile_fx(graph, arguments)
        compiled(*arguments)  # the first call compiles
    return cast(Function, compiled)


def _steps(training: Training) -> Function:
    """Return AT_ONCE steps as a pure function of tensors, in the layout of the training's program.

    Raises TypeError where the steps are no such function.
    """
    if not all(family.rule.elementwise for family in _families(training)):
        raise TypeError("a rule looks at whole parameters")
    if any(family.changes for family in _families(training)):
        raise TypeError("a scheduler changes their settings")
    if not isinstance(training.work.train.inputs, Tensor):
        raise TypeError("the inputs are several tensors, or are not in memory")
    if not _program(training).pure:
        raise TypeError("the model draws random numbers, or keeps running statistics, or has frozen parameters")
    if _program(training).unused:
        raise TypeError("some parameters have no part in the loss")
    gradient_of, T = _gradient(training), training.work.schedule.steps
    families = [(f.rule, slice(f.start, f.stop), f.columns, len(f.states)) for f in _families(training)]
    state_count = sum(count for *_, count in families)

    def steps(flat: Tensor, t: Tensor, *others: Tensor) -> list[Tensor]:
        states, rows = list(others[:state_count]), others[state_count:]
        losses = []
        for i in range(AT_ONCE):
            x, y = rows[2 * i : 2 * i + 2] if len(rows) > 2 else rows
            gradient, values = gradient_of(flat, x, y)
            parts: list[Tensor] = []
            left, states = iter(states), []
            for rule, columns, settings, count in families:
                own = tuple(next(left) for _ in range(count))
                w, g, loss = flat[:, columns], gradient[:, columns], values[:, columns, None]
                part, moved = rule.update(w, g, own, t + (i + 1), x.shape[1], settings, T=T, loss=loss)
                parts.append(part)
                states += moved
            flat = torch.cat(parts, 1)
            losses.append(values)
        return [flat, torch.stack(losses), *states]

    return steps


def _gradient(training: Training) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return what makes gradients [S, K, P] and losses [S, K] of parameters [S, K, P] and a batch [S, B, ...]."""
    module, loss, views = _program(training).module, training.work.loss, _program(training).views
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}

    def loss_of(flat: Tensor, x: Tensor, y: Tensor) -> Tensor:
        parameters = {name: view.reshape(shapes[name]) for name, view in views(flat).items()}
        return loss(functional_call(module, parameters, (x,)), y)

    of_every_run = vmap(vmap(grad_and_value(loss_of), in_dims=(0, None, 0)))

    def gradient(flat: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # Targets are expanded over the runs: some losses cannot be batched over an input without its target.
        gradients, losses = of_every_run(flat, x, y.unsqueeze(1).expand(len(y), flat.shape[1], *y.shape[1:]))
        return gradients, losses

    return gradient
