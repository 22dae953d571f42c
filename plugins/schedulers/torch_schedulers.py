"""The schedules of `torch.optim.lr_scheduler` in closed form: functions of the time alone.

Each takes the optimizer's learning rate `lr`, the time `t` (epochs or steps that are over) and the length `T` of the
run in the same unit, and returns the learning rate at that time, or that and the momentum. The classes compute most of
them from the value before; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le, MinLen
from xprun.plugins.types import Fraction, NonNegative, NonNegativeInt, Positive, PositiveInt, Scheduler


def step_lr(lr: float, t: int, T: int, *, step_size: PositiveInt, gamma: NonNegative = 0.1) -> float:
    """The learning rate times gamma after every `step_size`, as `torch.optim.lr_scheduler.StepLR`."""
    return lr * gamma ** (t // step_size)


def multi_step_lr(
    lr: float, t: int, T: int, *, milestones: Annotated[list[PositiveInt], MinLen(1)], gamma: NonNegative = 0.1
) -> float:
    """The learning rate times gamma at each milestone, as `torch.optim.lr_scheduler.MultiStepLR`."""
    return lr * gamma ** sum(milestone <= t for milestone in milestones)


def constant_lr(lr: float, t: int, T: int, *, factor: Fraction = 1 / 3, total_iters: NonNegativeInt = 5) -> float:
    """The learning rate times a factor until `total_iters`, as `torch.optim.lr_scheduler.ConstantLR`."""
    return lr * factor if t < total_iters else lr


def linear_lr(
    lr: float,
    t: int,
    T: int,
    *,
    start_factor: Annotated[float, Gt(0), Le(1)] = 1 / 3,
    end_factor: Fraction = 1.0,
    total_iters: PositiveInt = 5,
) -> float:
    """A straight line from one factor to another until `total_iters`, as `torch.optim.lr_scheduler.LinearLR`."""
    return lr * (start_factor + (end_factor - start_factor) * min(t / total_iters, 1))


def exponential_lr(lr: float, t: int, T: int, *, gamma: NonNegative) -> float:
    """The learning rate times gamma at every epoch or step, as `torch.optim.lr_scheduler.ExponentialLR`."""
    return lr * gamma**t


def polynomial_lr(lr: float, t: int, T: int, *, total_iters: PositiveInt = 5, power: float = 1.0) -> float:
    """Polynomial decay to 0 at `total_iters`, as `torch.optim.lr_scheduler.PolynomialLR`."""
    factor: float = max(1 - t / total_iters, 0.0) ** power
    return lr * factor


def cosine_annealing_lr(lr: float, t: int, T: int, *, T_max: PositiveInt, eta_min: float = 0.0) -> float:
    """Half a cosine from the rate down to `eta_min` at `T_max`, as `torch.optim.lr_scheduler.CosineAnnealingLR`.

    It goes up again after `T_max`. Loshchilov and Hutter, "SGDR" (2017).
    """
    return _cosine(lr, eta_min, t / T_max)


def cosine_annealing_warm_restarts(
    lr: float, t: int, T: int, *, T_0: PositiveInt, T_mult: PositiveInt = 1, eta_min: float = 0.0
) -> float:
    """Cosines from the rate to `eta_min`, each `T_mult` times as long as the one before, the first one `T_0` long.

    As `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`; Loshchilov and Hutter, "SGDR" (2017).
    """
    length = T_0
    if T_mult == 1:
        t %= length
    while t >= length:
        t, length = t - length, length * T_mult
    return _cosine(lr, eta_min, t / length)


def cyclic_lr(
    lr: float,
    t: int,
    T: int,
    *,
    base_lr: NonNegative,
    max_lr: Positive,
    step_size_up: PositiveInt = 2000,
    step_size_down: PositiveInt | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: NonNegative = 1.0,
    cycle_momentum: bool = True,
    base_momentum: Fraction = 0.8,
    max_momentum: Fraction = 0.9,
) -> float | tuple[float, float]:
    """Triangles between two rates, as `torch.optim.lr_scheduler.CyclicLR`; the optimizer's own rate is not used.

    The momentum, or the first of the betas, goes the other way. Smith, "Cyclical learning rates" (2017).
    """
    down = step_size_down or step_size_up
    cycle, now = divmod(t, step_size_up + down)
    height = now / step_size_up if now <= step_size_up else 1 - (now - step_size_up) / down
    height *= {"triangular": 1.0, "triangular2": 0.5**cycle, "exp_range": gamma**t}[mode]
    lr = base_lr + (max_lr - base_lr) * height
    return (lr, max_momentum - (max_momentum - base_momentum) * height) if cycle_momentum else lr


def one_cycle_lr(
    lr: float,
    t: int,
    T: int,
    *,
    max_lr: Positive,
    total_steps: PositiveInt | None = None,
    pct_start: Fraction = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = True,
    base_momentum: Fraction = 0.85,
    max_momentum: Fraction = 0.95,
    div_factor: Positive = 25.0,
    final_div_factor: Positive = 1e4,
    three_phase: bool = False,
) -> float | tuple[float, float]:
    """One cycle up to `max_lr` and down almost to 0, as `torch.optim.lr_scheduler.OneCycleLR`.

    `total_steps` left out is the whole run. It starts at max_lr / div_factor; the optimizer's own rate is not used.
    The momentum, or the first of the betas, goes the other way. Smith and Topin, "Super-convergence" (2018).
    """
    total = total_steps or T
    if total < T:
        raise ValueError(f"total_steps = {total} ends before the run, which has {T}; leave it out")
    first, last = max_lr / div_factor, max_lr / div_factor / final_div_factor
    up, low, high = pct_start * total - 1, base_momentum, max_momentum
    phases = [(up, first, max_lr, high, low), (total - 1, max_lr, last, low, high)]
    if three_phase:
        phases[1:] = [(2 * up, max_lr, first, low, high), (total - 1, first, last, high, high)]
    start = 0.0
    for end, lr_from, lr_to, momentum_from, momentum_to in phases:  # noqa: B007 - the phase that t is in
        if t <= end:
            break
        start = end
    if end == start:
        raise ValueError(
            f"pct_start = {pct_start:g} of {total} is 1, the first, which leaves none to go up in; write "
            + ("0" if total == 1 else f"{2 / total:.2g} or more, or 0")
        )
    share = (t - start) / (end - start)
    anneal = _cosine if anneal_strategy == "cos" else _line
    lr = anneal(lr_from, lr_to, share)
    return (lr, anneal(momentum_from, momentum_to, share)) if cycle_momentum else lr


def sequential_lr(
    lr: float, t: int, T: int, *, schedulers: Annotated[list[Scheduler], MinLen(1)], milestones: list[PositiveInt]
) -> float:
    """One scheduler after the other, each from its milestone on, as `torch.optim.lr_scheduler.SequentialLR`."""
    if len(milestones) != len(schedulers) - 1:
        needed = f"{len(schedulers)} schedulers need {len(schedulers) - 1} milestones"
        raise ValueError(f"milestones: {needed}, not {len(milestones)}")
    if any(later <= earlier for earlier, later in pairwise(milestones)):
        raise ValueError(f"milestones must increase, not {', '.join(map(str, milestones))}")
    starts, current = [0, *milestones], sum(milestone <= t for milestone in milestones)
    ends = [*milestones, max(T, starts[-1] + 1)]
    return _rate(schedulers[current], lr, t - starts[current], ends[current] - starts[current])


def chained_scheduler(lr: float, t: int, T: int, *, schedulers: Annotated[list[Scheduler], MinLen(1)]) -> float:
    """The product of the schedulers' factors, as `torch.optim.lr_scheduler.ChainedScheduler`."""
    product = 1.0
    for schedule in schedulers:
        factor = _rate(schedule, 1.0, t, T)
        if not math.isclose(_rate(schedule, 2.0, t, T), 2 * factor, abs_tol=1e-15):
            raise ValueError("it multiplies factors of the learning rate, and one of its schedulers is not a factor")
        product *= factor
    return lr * product


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _rate(schedule: Any, lr: float, t: int, T: int) -> float:
    found = schedule(lr, t, T)
    if isinstance(found, tuple):
        raise ValueError("a scheduler inside another one cannot cycle the momentum; write cycle_momentum = false")
    return float(found)


FUNCTIONAL_SCHEDULERS: dict[str, Callable[..., Any]] = {
    "ChainedScheduler": chained_scheduler,
    "ConstantLR": constant_lr,
    "CosineAnnealingLR": cosine_annealing_lr,
    "CosineAnnealingWarmRestarts": cosine_annealing_warm_restarts,
    "CyclicLR": cyclic_lr,
    "ExponentialLR": exponential_lr,
    "LinearLR": linear_lr,
    "MultiStepLR": multi_step_lr,
    "OneCycleLR": one_cycle_lr,
    "PolynomialLR": polynomial_lr,
    "SequentialLR": sequential_lr,
    "StepLR": step_lr,
}

FUNCTION = "it needs a Python function, which a spec cannot contain; write it as a plugin with @scheduler"

# The classes of torch that are no functions of the time alone, and what they want.
UNSUPPORTED_SCHEDULERS = {
    "LambdaLR": FUNCTION,
    "MultiplicativeLR": FUNCTION,
    "ReduceLROnPlateau": "it depends on the results of a run; schedulers here depend on time only",
}
