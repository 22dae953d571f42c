"""The formulas of the built-in objectives: values by hand, gradients by finite differences, minima, and their noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from xprun.plugins.discovery import open_registry
from xprun.plugins.objectives.objective import Objective
from xprun.plugins.registry import REGISTRY
from xprun.plugins.signature import positional_names

OBJECTIVES = [c.name for c in open_registry().components("model") if c.is_objective]
# Objectives, with settings, at places of their parameters, and the loss there as a person works it out.
BY_HAND: list[tuple[str, dict[str, Any], dict[str, Any], float]] = [
    ("rosenbrock", {}, {"x": -1.2, "y": 1.0}, 2.2**2 + 100 * 0.44**2),
    ("beale", {}, {"x": 1.0, "y": 1.0}, 1.5**2 + 2.25**2 + 2.625**2),
    ("himmelblau", {}, {"x": 0.0, "y": 0.0}, 11**2 + 7**2),
    ("himmelblau", {}, {"x": 3.0, "y": 2.0}, 0.0),
    ("rastrigin", {}, {"x": [0.5, 1.0]}, 0.25 + 20 + 1),
    ("saddle", {}, {"x": 0.0, "y": 0.0}, 0.25),
    ("saddle", {}, {"x": 2.0, "y": 3.0}, 2 + 64 / 4),
    ("plateau", {}, {"x": 3.0, "y": 1.0}, 0.9 + 0.5),
    ("quadratic", {"size": 3, "condition": 100.0}, {"x": [10.0, 2.0, 1.0]}, (0.01 * 100 + 0.1 * 4 + 1) / 2),
    ("units", {"size": 3, "ratio": 100.0}, {"x": [0.0, 3.0, 0.2]}, (1 + 4 + 1) / 2),
    (
        "layer_scales",
        {"size": 1, "ratio": 1e4},
        {"first": [2.0], "middle": [3.0], "last": [1.0]},
        (4 / 100 + 9 + 100) / 2,
    ),
    ("noisy_quadratic", {"size": 2}, {"x": [1.0, 2.0]}, (1 + 4 / 2) / 2),
    ("heavy_tails", {"size": 2}, {"x": [3.0, 4.0]}, 12.5),
    ("rare_events", {"size": 2}, {"x": [3.0, 4.0]}, 12.5),
    ("sparse_gradients", {"size": 2, "distance": 1.0}, {"x": [1.0, 1 + math.sqrt(3)]}, 0.5),
    ("kinks", {"size": 3, "ratio": 100.0}, {"x": [-10.0, 2.0, 0.5]}, 1 + 2 + 5),
    ("drifting_optimum", {"radius": 2.0}, {"x": 0.0, "y": 1.0}, (4 + 1) / 2),
    ("chain", {"depth": 3}, {"w": [2.0, 0.5, 4.0]}, 4.5),
]


def made(name: str, **settings: Any) -> Objective:
    found: Objective = REGISTRY.find("model", name).load()(**settings)
    return found


def bound(objective: Objective, function: Callable[..., Tensor] | None = None, **more: Any) -> Callable[..., Tensor]:
    """Return a function of an objective as one of its parameters alone, in their order."""
    function = function or objective.loss
    time = torch.zeros((), dtype=torch.float64)

    def of_parameters(*values: Tensor) -> Tensor:
        parameters = dict(zip(objective.start, values, strict=True))
        known = {**objective.constants, "t": time, **more, **parameters}
        return function(*(known[name] for name in positional_names(function)))

    return of_parameters


def doubles(values: dict[str, Any]) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values.values()]


@pytest.mark.parametrize(("name", "settings", "place", "loss"), BY_HAND)
def test_values_by_hand(name: str, settings: dict[str, Any], place: dict[str, Any], loss: float) -> None:
    objective = made(name, **settings)
    assert list(objective.start) == list(place)
    assert float(bound(objective)(*doubles(place))) == pytest.approx(loss, rel=1e-12, abs=1e-14)


def test_every_objective_has_values_by_hand() -> None:
    assert {name for name, *_ in BY_HAND} | {"matrix_chain", "scale_invariant"} == set(OBJECTIVES)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    torch.manual_seed(1)
    objective = made(name)
    start = [torch.as_tensor(value).requires_grad_() for value in objective.start.values()]
    assert all(value.dtype == torch.float64 for value in start)
    assert torch.autograd.gradcheck(bound(objective), start, eps=1e-6, rtol=1e-5, atol=1e-6)
    if objective.noise:
        noise = objective.noise(torch.Generator().manual_seed(2)).double()
        assert torch.autograd.gradcheck(bound(objective, objective.sampled, noise=noise), start, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_minimum_is_one(name: str) -> None:
    """At the minimizer the loss is the minimum, and nowhere around the minimizer or the start is it less."""
    torch.manual_seed(3)
    objective = made(name)
    places = [[torch.as_tensor(value) for value in objective.start.values()]]
    if objective.minimizer:
        best = doubles(dict(objective.minimizer))
        places.append([value.view_as(start) for value, start in zip(best, places[0], strict=True)])
        assert float(bound(objective)(*places[-1])) == pytest.approx(objective.minimum, abs=1e-12)
    for place in places:
        for _ in range(50):
            near = [value + 0.3 * torch.randn_like(value) for value in place]
            assert float(bound(objective)(*near)) >= objective.minimum - 1e-12


def test_a_matrix_chain_can_be_solved_exactly() -> None:
    objective = made("matrix_chain", size=3, condition=100.0)
    A, eye = objective.constants["A"], torch.eye(3, dtype=torch.float64)
    assert torch.linalg.svdvals(A).tolist() == pytest.approx([1, 0.1, 0.01], rel=1e-9)
    assert float(bound(objective)(eye, A, eye)) == pytest.approx(0, abs=1e-20)
    assert float(bound(objective)(0 * eye, A, eye)) == pytest.approx((1 + 0.01 + 0.0001) / 2, rel=1e-9)


def test_the_loss_of_weights_that_are_normalised_depends_on_their_direction_alone() -> None:
    objective = made("scale_invariant", size=2, length=50.0)
    w = objective.constants["w"]
    beside = torch.stack([-w[1], w[0]])
    found = [float(bound(objective)(v)) for v in (7 * w, 1e-3 * beside, -20 * w)]
    assert found == pytest.approx([0, 1, 2], abs=1e-12)
    assert float(torch.as_tensor(objective.start["v"]).norm()) == pytest.approx(50)


def test_a_rotation_keeps_lengths_and_mixes_coordinates() -> None:
    turned = made("quadratic", size=4, rotated=True)
    Q = turned.constants["Q"]
    assert torch.allclose(Q @ Q.T, torch.eye(4, dtype=torch.float64), atol=1e-12)
    assert int((Q.abs() > 0.01).sum()) == 16
    assert not torch.equal(Q, made("quadratic", size=4, rotated=True, seed=1).constants["Q"])
    x = torch.randn(4, dtype=torch.float64)
    assert float(bound(turned)(x)) == pytest.approx(float(bound(made("quadratic", size=4))(Q @ x)), rel=1e-12)


@pytest.mark.parametrize("name", ["noisy_quadratic", "rare_events", "sparse_gradients", "drifting_optimum"])
def test_noise_is_right_on_average(name: str) -> None:
    """Gradients of many steps have the mean that the formulas say."""
    torch.manual_seed(4)
    objective = made(name)
    start = [torch.as_tensor(value).requires_grad_() for value in objective.start.values()]
    generator, steps = torch.Generator().manual_seed(5), 4000
    assert objective.noise is not None
    noise = torch.stack([objective.noise(generator).double() for _ in range(steps)])
    each = torch.func.vmap(lambda one: bound(objective, objective.sampled, noise=one)(*start))(noise)
    found = torch.cat([g.reshape(-1) for g in torch.autograd.grad(each.mean(), start)])
    exact = torch.cat([g.reshape(-1) for g in torch.autograd.grad(bound(objective)(*start), start)])
    if name == "sparse_gradients":  # of which each component counts as often as it is seen
        exact = exact * len(exact) * torch.logspace(-2, 0, len(exact), dtype=torch.float64)
    spread = 7.0 if name == "rare_events" else 1.0  # the standard deviation of a step's noise
    assert torch.allclose(found, exact, atol=5 * spread / math.sqrt(steps))


def test_heavy_tails_are_heavy_and_symmetric() -> None:
    draw = made("heavy_tails", size=10000, tail=1.5).noise
    assert draw is not None
    noise = draw(torch.Generator().manual_seed(0))
    assert float(noise.abs().max()) > 100  # of so many normal numbers none is above 5
    assert abs(float((noise > 0).double().mean()) - 0.5) < 0.02
    share = float((noise.abs() > 3).double().mean())
    assert share == pytest.approx(4**-1.5, rel=0.1)  # P(u^(-1/tail) > 4)


def test_a_start_depends_on_the_seed_and_a_task_does_not() -> None:
    for name in OBJECTIVES:
        torch.manual_seed(0)
        first = made(name)
        torch.manual_seed(1)
        second = made(name)
        assert any(not torch.equal(first.start[key], second.start[key]) for key in first.start), name
        assert all(torch.equal(first.constants[key], second.constants[key]) for key in first.constants), name


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"start": {"t": torch.zeros(1)}}, ValueError, "no parameter of an objective can be called 't'"),
        ({"start": {"a.b": torch.zeros(1)}}, ValueError, "'a.b'"),
        ({"constants": {"x": torch.zeros(1)}}, ValueError, "'x'"),
        ({"loss": lambda x, z: x}, TypeError, "asks for 'z'; it may have x, t"),
        ({"sampled": lambda x, noise: x}, TypeError, "give both, or neither"),
        ({"noise": lambda generator: None}, TypeError, "give both, or neither"),
    ],
)
def test_what_makes_no_objective_is_refused(parts: dict[str, Any], error: type[Exception], words: str) -> None:
    start = {"x": torch.zeros(1)}
    with pytest.raises(error, match=words.replace(".", r"\.")):
        Objective(**{"loss": lambda x: x.sum(), "start": start, **parts})
