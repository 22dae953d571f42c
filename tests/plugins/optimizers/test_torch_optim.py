"""Every functional optimizer computes what the `torch.optim` class of its name does, alone, stacked and under vmap."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from xprun.plugins.optimizers.torch_optim import FUNCTIONAL_OPTIMIZERS
from xprun.plugins.signature import positional_names, read_settings
from xprun.runner.engine.per_run import PerRun

STEPS = 10
SIZE = 10  # a weight of shape [3, 2] and a bias of shape [4]

LR = (0.0, 0.03)
EPS = (0.0, 1e-3)
WEIGHT_DECAY = (0.0, 0.1)
BOTH = (False, True)
BETAS = ((0.9, 0.999), (0.0, 0.6))

# The values that are combined, each with each.
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "ASGD": {
        "lr": LR,
        "lambd": (0.0, 0.2),
        "alpha": (0.0, 0.75),
        "t0": (2.0, 1e6),
        "weight_decay": WEIGHT_DECAY,
        "maximize": BOTH,
    },
    "Adadelta": {
        "lr": (0.0, 1.0),
        "rho": (0.0, 0.9, 1.0),
        "eps": (1e-6, 1e-3),
        "weight_decay": WEIGHT_DECAY,
        "maximize": BOTH,
    },
    "Adagrad": {
        "lr": LR,
        "lr_decay": (0.0, 0.5),
        "weight_decay": WEIGHT_DECAY,
        "initial_accumulator_value": (0.0, 0.3),
        "eps": EPS,
        "maximize": BOTH,
    },
    "Adam": {
        "lr": LR,
        "betas": BETAS,
        "eps": EPS,
        "weight_decay": WEIGHT_DECAY,
        "amsgrad": BOTH,
        "maximize": BOTH,
        "decoupled_weight_decay": BOTH,
    },
    "AdamW": {
        "lr": LR,
        "betas": BETAS,
        "eps": EPS,
        "weight_decay": WEIGHT_DECAY,
        "amsgrad": BOTH,
        "maximize": BOTH,
    },
    "Adamax": {"lr": LR, "betas": BETAS, "eps": EPS, "weight_decay": WEIGHT_DECAY, "maximize": BOTH},
    "NAdam": {
        "lr": LR,
        "betas": BETAS,
        "eps": EPS,
        "weight_decay": WEIGHT_DECAY,
        "momentum_decay": (0.0, 0.4),
        "decoupled_weight_decay": BOTH,
        "maximize": BOTH,
    },
    "RAdam": {
        "lr": LR,
        "betas": (*BETAS, (0.5, 0.0)),
        "eps": EPS,
        "weight_decay": WEIGHT_DECAY,
        "decoupled_weight_decay": BOTH,
        "maximize": BOTH,
    },
    "RMSprop": {
        "lr": LR,
        "alpha": (0.3, 0.99),
        "eps": EPS,
        "weight_decay": WEIGHT_DECAY,
        "momentum": (0.0, 0.9),
        "centered": BOTH,
        "maximize": BOTH,
    },
    "Rprop": {
        "lr": (0.0, 0.03, 0.2),
        "etas": ((0.5, 1.2), (0.1, 3.0)),
        "step_sizes": ((1e-6, 50.0), (0.01, 0.1)),
        "maximize": BOTH,
    },
    "SGD": {
        "lr": LR,
        "momentum": (0.0, 0.9),
        "dampening": (0.0, 0.3),
        "weight_decay": WEIGHT_DECAY,
        "nesterov": BOTH,
        "maximize": BOTH,
    },
}

Settings = dict[str, Any]
Paths = Tensor  # the parameters after each step of each run, shape [n, STEPS, SIZE]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", FUNCTIONAL_OPTIMIZERS)
def test_twin_takes_the_settings_of_its_class(name: str) -> None:
    implementation = {"params", "foreach", "fused", "capturable", "differentiable"}
    of_class = inspect.signature(getattr(torch.optim, name)).parameters.values()
    wanted = [(p.name, p.default) for p in of_class if p.name not in implementation]
    taken = [(s.name, s.default) for s in read_settings(FUNCTIONAL_OPTIMIZERS[name]).values()]
    assert taken == wanted
    assert [s for s, _ in taken] == list(GRIDS[name])


@pytest.mark.parametrize("name", FUNCTIONAL_OPTIMIZERS)
def test_twin_refuses_the_values_that_its_class_refuses(name: str) -> None:
    for setting in read_settings(FUNCTIONAL_OPTIMIZERS[name]).values():
        for value in _tries(setting.default):
            expected = _accepts(_make, name, {setting.name: value})
            assert _accepts(setting.read, value) == expected, f"{setting.name} = {value}"


@pytest.mark.parametrize("way", ["alone", "stacked", "vmap"])
@pytest.mark.parametrize("name", FUNCTIONAL_OPTIMIZERS)
def test_twin_follows_its_class(name: str, way: str) -> None:
    train = {"alone": _alone, "stacked": _stacked, "vmap": _vmapped}[way]
    for cohort, expected in _cohorts(name):
        found = train(FUNCTIONAL_OPTIMIZERS[name], cohort)
        for settings, mine, theirs in zip(cohort, found, expected, strict=True):
            assert torch.allclose(mine, theirs, rtol=1e-12, atol=1e-12), settings


@pytest.mark.parametrize("name", FUNCTIONAL_OPTIMIZERS)
def test_twin_leaves_its_arguments_as_they_were(name: str) -> None:
    for cohort, _ in _cohorts(name):
        for settings in (cohort[0], _stack(cohort)):
            arguments = torch.rand(2 + _n_states(FUNCTIONAL_OPTIMIZERS[name]), len(cohort), SIZE, dtype=torch.float64)
            before = arguments.clone()
            _call(FUNCTIONAL_OPTIMIZERS[name], *arguments, t=2, settings=settings)
            assert torch.equal(arguments, before)


@pytest.mark.parametrize("name", FUNCTIONAL_OPTIMIZERS)
def test_single_precision_stays_single_and_close(name: str) -> None:
    default = {s.name: s.default for s in read_settings(FUNCTIONAL_OPTIMIZERS[name]).values()}
    exact = _alone(FUNCTIONAL_OPTIMIZERS[name], [default])
    for train in (_alone, _stacked):
        found = train(FUNCTIONAL_OPTIMIZERS[name], [default], torch.float32)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-5)


def test_radam_rectifies_alike_in_single_precision() -> None:
    settings = {"lr": 1.0, "betas": (0.9, 0.9999)}
    exact = _alone(FUNCTIONAL_OPTIMIZERS["RAdam"], [settings])
    found = _stacked(FUNCTIONAL_OPTIMIZERS["RAdam"], [settings], torch.float32)
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)


# The class, used by hand.


@functools.cache
def _cohorts(name: str) -> list[tuple[list[Settings], Paths]]:
    """Return the combinations of the grid that the class accepts, those of equal switches together, and their paths."""
    grid = GRIDS[name]
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    cohorts: dict[Any, list[Settings]] = {}
    for settings in combinations:
        if _accepts(_make, name, settings):
            cohorts.setdefault(tuple(_switches(settings).items()), []).append(settings)
    return [(cohort, torch.stack([_by_class(name, s) for s in cohort])) for cohort in cohorts.values()]


def _make(name: str, settings: Settings, parameters: Iterable[Tensor] = (torch.zeros(1),)) -> torch.optim.Optimizer:
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(parameters, foreach=False, **settings)
    return optimizer


def _accepts(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        function(*arguments)
    except ValueError:
        return False
    return True


def _by_class(name: str, settings: Settings) -> Tensor:
    start, gradients = _problem()
    parameters = [torch.nn.Parameter(part.clone()) for part in _split(start)]
    path = []
    with _default_dtype(torch.float64):  # the type in which NAdam and ASGD keep their scalars
        optimizer = _make(name, settings, parameters)
        for gradient in gradients:
            for parameter, part in zip(parameters, _split(gradient), strict=True):
                parameter.grad = part
            optimizer.step()
            path.append(torch.cat([p.detach().flatten() for p in parameters]))
    return torch.stack(path)


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# The rule, in three ways.


def _alone(rule: Callable[..., Any], cohort: list[Settings], dtype: torch.dtype = torch.float64) -> Paths:
    """One run after another, parameter by parameter, with plain numbers."""
    start, gradients = _problem(dtype)
    paths = []
    for settings in cohort:
        trained = [
            _train(functools.partial(_call, rule, settings=settings), w, list(g), _zeros(rule, w))
            for w, g in zip(_split(start), zip(*map(_split, gradients), strict=True), strict=True)
        ]
        paths.append(torch.cat([path.flatten(1) for path in trained], dim=1))
    return torch.stack(paths)


def _stacked(rule: Callable[..., Any], cohort: list[Settings], dtype: torch.dtype = torch.float64) -> Paths:
    """All runs at once, both parameters as one row a run, settings [n, 1]."""
    start, gradients = _problem(dtype)
    w = start.expand(len(cohort), SIZE)
    step = functools.partial(_call, rule, settings=_of_each_run(_stack(cohort)))
    return _train(step, w, list(gradients), _zeros(rule, w)).transpose(0, 1)


def _vmapped(rule: Callable[..., Any], cohort: list[Settings]) -> Paths:
    """All runs at once through `torch.func.vmap`, each with its own scalars, the step number among them."""
    start, gradients = _problem()
    w = start.expand(len(cohort), SIZE)
    switches = _switches(cohort[0])
    numbers = {key: value for key, value in _stack(cohort, columns=()).items() if key not in switches}

    def one_run(tensors: tuple[Tensor, ...], t: Tensor, numbers: Settings) -> tuple[Tensor, ...]:
        return _call(rule, *tensors, t=t, settings=numbers | switches)

    def step(*tensors: Tensor, t: int) -> Any:
        return torch.func.vmap(one_run)(tensors, torch.full((len(cohort),), t, dtype=w.dtype), numbers)

    return _train(step, w, list(gradients), _zeros(rule, w)).transpose(0, 1)


def _train(step: Callable[..., Any], w: Tensor, gradients: list[Tensor], states: list[Tensor]) -> Tensor:
    path = []
    for t, gradient in enumerate(gradients, start=1):
        w, *states = step(w, gradient.expand_as(w), *states, t=t)
        path.append(w)
    return torch.stack(path)


def _call(rule: Callable[..., Any], *tensors: Tensor, t: Any, settings: Settings) -> tuple[Tensor, ...]:
    numbers = (t,) if "t" in positional_names(rule) else ()
    result = rule(*tensors, *numbers, **settings)
    return result if isinstance(result, tuple) else (result,)


def _n_states(rule: Callable[..., Any]) -> int:
    return len(set(positional_names(rule)) - {"w", "g", "t"})


def _zeros(rule: Callable[..., Any], w: Tensor) -> list[Tensor]:
    return [torch.zeros_like(w) for _ in range(_n_states(rule))]


# The problem and its settings.


def _problem(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Return the start [SIZE] and the gradients [STEPS, SIZE], some of which are zero after the first step."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(SIZE, generator=generator, dtype=torch.float64)
    gradients = torch.randn(STEPS, SIZE, generator=generator, dtype=torch.float64)
    gradients[3:5, :3] = 0.0
    return start.to(dtype), gradients.to(dtype)


def _split(flat: Tensor) -> list[Tensor]:
    return [flat[:6].view(3, 2), flat[6:]]


def _switches(settings: Settings) -> Settings:
    return {key: value for key, value in settings.items() if isinstance(value, bool)}


def _of_each_run(settings: Settings) -> Settings:
    """Return settings [n, 1] as the engine hands them to a rule."""

    def of_each(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(of_each, value))
        return PerRun(value) if isinstance(value, Tensor) else value

    return {key: of_each(value) for key, value in settings.items()}


def _stack(cohort: list[Settings], columns: tuple[int, ...] = (1,)) -> Settings:
    """Return each float setting as a tensor [n, *columns], a pair of them as a pair of tensors."""

    def stack(values: list[Any]) -> Any:
        if isinstance(values[0], tuple):
            return tuple(stack(list(part)) for part in zip(*values, strict=True))
        return torch.tensor(values, dtype=torch.float64).view(-1, *columns)

    numbers = {key: stack([s[key] for s in cohort]) for key in cohort[0] if key not in _switches(cohort[0])}
    return numbers | _switches(cohort[0])


def _tries(default: Any) -> list[Any]:
    """Return numbers about the usual bounds 0 and 1, for a pair one place at a time; none for a switch."""
    if isinstance(default, bool):
        return []
    numbers = [-1.0, 0.0, 0.5, 1.0, 2.0]
    if isinstance(default, tuple):
        first, second = default
        return [(x, second) for x in numbers] + [(first, x) for x in numbers]
    return numbers
