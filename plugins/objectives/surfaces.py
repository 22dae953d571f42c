"""Surfaces that textbooks draw paths on: curved valleys, several minima, a saddle, a plateau.

Those of two parameters start at the place that is usual for them; `spread` is the standard deviation of what a run's
seed adds to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.objectives.objective import Objective
from xprun.plugins.registry import objective
from xprun.plugins.types import NonNegative, Positive, Width

if TYPE_CHECKING:
    from torch import Tensor


@objective("rosenbrock")
def rosenbrock(
    *, x: float = -1.2, y: float = 1.0, spread: NonNegative = 0.1, a: float = 1.0, b: Positive = 100.0
) -> Objective:
    """(a - x)^2 + b (y - x^2)^2: a narrow, curved valley, easy to enter and slow to follow. Minimum 0 at (a, a^2).

    Source: Rosenbrock, An automatic method for finding the greatest or least value of a function (1960).
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return (a - x) ** 2 + b * (y - x**2) ** 2

    return Objective(loss, _near(spread, x=x, y=y), minimizer={"x": [a], "y": [a**2]})


@objective("beale")
def beale(*, x: float = 1.0, y: float = 1.0, spread: NonNegative = 0.1) -> Objective:
    """(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: flat, with steep corners. Minimum 0 at (3, 0.5).

    Source: Beale, On an iterative method of finding a local minimum of a function of more than one variable (1958);
    the start is that of Moré, Garbow and Hillstrom, Testing unconstrained optimization software (1981).
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2

    return Objective(loss, _near(spread, x=x, y=y), minimizer={"x": [3.0], "y": [0.5]})


@objective("himmelblau")
def himmelblau(*, x: float = 0.0, y: float = 0.0, spread: NonNegative = 0.1) -> Objective:
    """(x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima of 0, of which (3, 2) is one.

    Source: Himmelblau, Applied Nonlinear Programming (1972).
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    return Objective(loss, _near(spread, x=x, y=y), minimizer={"x": [3.0], "y": [2.0]})


@objective("rastrigin")
def rastrigin(*, size: Width = 2, reach: Positive = 5.12, height: NonNegative = 10.0) -> Objective:
    """The sum of x_i^2 + height (1 - cos(2 pi x_i)): a bowl full of holes, about one to a unit. Minimum 0 at 0.

    It starts anywhere from -reach to reach. Source: Rastrigin, Systems of extremal control (1974).
    """
    import torch

    def loss(x: Tensor) -> Tensor:
        return (x**2 + height * (1 - torch.cos(2 * torch.pi * x))).sum()

    start = reach * (2 * torch.rand(size, dtype=torch.float64) - 1)
    return Objective(loss, {"x": start}, minimizer={"x": [0.0] * size})


@objective("saddle")
def saddle(*, x: float = 1.0, y: float = 0.0, spread: NonNegative = 1e-3) -> Objective:
    """x^2 / 2 + (y^2 - 1)^2 / 4: two minima of 0 at (0, -1) and (0, 1), and between them a saddle of 1/4 at (0, 0).

    It starts beside the ridge y = 0, along which descent goes to the saddle. Source: Dauphin et al., Identifying and
    attacking the saddle point problem in high-dimensional non-convex optimization (2014).
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return x**2 / 2 + (y**2 - 1) ** 2 / 4

    return Objective(loss, _near(spread, x=x, y=y), minimizer={"x": [0.0], "y": [1.0]})


@objective("plateau")
def plateau(*, x: float = 10.0, y: float = 10.0, spread: NonNegative = 1.0) -> Objective:
    """x^2 / (1 + x^2) + y^2 / (1 + y^2): flat far from the minimum of 0 at (0, 0), where gradients fall as 2 / x^3.

    Source: the robust loss of Geman and McClure, Statistical methods for tomographic image reconstruction (1987).
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return x**2 / (1 + x**2) + y**2 / (1 + y**2)

    return Objective(loss, _near(spread, x=x, y=y), minimizer={"x": [0.0], "y": [0.0]})


def _near(spread: float, **places: float) -> dict[str, Tensor]:
    """Return parameters [] by name, each drawn about its place."""
    import torch

    return {
        name: torch.tensor(place, dtype=torch.float64) + spread * torch.randn((), dtype=torch.float64)
        for name, place in places.items()
    }
