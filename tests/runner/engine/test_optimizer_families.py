"""Columns of one rule are a family: one update for all of them, each with its own settings and states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.training import MakePlan
from torch import Tensor
from xprun.plugins.registry import REGISTRY, optimizer
from xprun.plugins.signature import makes_optimizer
from xprun.runner.engine.optimizer_families import Family, can_join, keep_columns, make_families, program_key
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.workload.run_grid import Grid, make_grids
from xprun.specs import Run

CPU = torch.device("cpu")
SPEC = """
data = { name = "line", samples = 20, batch_size = 5 }
model = { name = "linear" }
loss = { name = "MSELoss" }
run = { steps = 5, seeds = 2 }
"""


def runs_of(plan: MakePlan, *optimizers: str) -> list[Run]:
    """Return the runs of some optimizers, written as inline tables."""
    return plan(f"{SPEC}\noptimizer = [{', '.join(optimizers)}]").runs


def families_of(plan: MakePlan, *optimizers: str, P: int = 3) -> tuple[Grid, list[Family], Tensor]:
    """Return the grid of two seeds, its families, and parameters [2, K, P] for it."""
    [grid] = make_grids(runs_of(plan, *optimizers), program_key, one_group=False)
    flat = torch.randn(grid.groups, grid.columns, P, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return grid, make_families(REGISTRY, grid, flat), flat


def one_parameter(flat: Tensor) -> dict[str, Tensor]:
    return {"w": flat}


def values(setting: Any) -> Any:
    """Return a setting with lists in place of tensors."""
    if isinstance(setting, tuple):
        return tuple(values(part) for part in setting)
    return setting.tolist() if isinstance(setting, Tensor) else setting


def typed(
    w: Tensor,
    g: Tensor,
    *,
    lr: float = 0.1,
    pair: tuple[float, float] = (0.1, 0.2),
    power: int = 2,
    flag: bool = False,
    mode: str = "a",
    limit: float | None = None,
) -> Tensor:
    return w - lr * g


@pytest.fixture(autouse=True)
def _typed(_registry_as_installed: None) -> None:
    optimizer("typed")(typed)


@pytest.mark.parametrize(
    ("other", "together"),
    [
        ("lr = 0.5", True),
        ("pair = [0.3, 0.4]", True),
        ('label = "another"', True),
        ("power = 3", False),
        ("flag = true", False),
        ('mode = "b"', False),
        ("limit = 1.0", False),
    ],
)
def test_numbers_may_differ_within_a_family_and_what_chooses_the_formula_may_not(
    other: str, together: bool, plan: MakePlan
) -> None:
    first, *_, last = runs_of(plan, '{ name = "typed" }', f'{{ name = "typed", {other} }}')
    assert (program_key(first) == program_key(last)) == together


def test_two_rules_are_two_families(plan: MakePlan) -> None:
    first, *_, last = runs_of(plan, '{ name = "scratch.gd" }', '{ name = "scratch.momentum" }')
    assert program_key(first) != program_key(last)


def test_families_cover_the_columns_side_by_side(plan: MakePlan) -> None:
    grid, families, _ = families_of(
        plan,
        '{ name = "SGD", lr = { grid = [0.1, 0.2] } }',
        '{ name = "Adam", lr = 0.3 }',
        '{ name = "SGD", lr = 0.4, nesterov = true, momentum = 0.5 }',
        '{ name = "SGD", lr = 0.5 }',
    )
    assert [0, *(family.stop for family in families)] == [*(family.start for family in families), grid.columns]
    for family in families:
        for run in grid.runs[0][family.start : family.stop]:
            assert read_rule(REGISTRY.find("optimizer", run.choices["optimizer"].name).load()) is family.rule
    assert sorted(family.stop - family.start for family in families) == [1, 1, 3]


def test_settings_that_agree_are_plain_numbers_and_others_one_number_a_column(plan: MakePlan) -> None:
    grid, [family], _ = families_of(
        plan, '{ name = "Adam", lr = { grid = [0.1, 0.2] }, betas = { grid = [[0.9, 0.99], [0.8, 0.99]] }, eps = 1e-6 }'
    )
    assert (family.settings["eps"], family.settings["weight_decay"]) == (1e-6, 0.0)
    assert family.settings["amsgrad"] is False
    written = [run.choices["optimizer"].settings for run in grid.runs[0]]
    assert values(family.settings["lr"]) == [s["lr"] for s in written]
    assert family.settings["lr"].dtype == torch.float64
    assert values(family.settings["betas"][0]) == [s["betas"][0] for s in written]


def test_one_column_has_plain_numbers_only(plan: MakePlan) -> None:
    _, [family], _ = families_of(plan, '{ name = "Adam", lr = 0.1 }')
    assert not any(isinstance(value, Tensor) for value in family.settings.values())


def test_states_start_at_zero_and_have_the_shape_of_the_familys_parameters(plan: MakePlan) -> None:
    _, families, _ = families_of(
        plan, '{ name = "scratch.adam", lr = { grid = [0.1, 0.2] } }', '{ name = "scratch.gd" }'
    )
    shapes = {family.rule.function.__name__: [tuple(s.shape) for s in family.states] for family in families}
    assert shapes == {"adam": [(2, 2, 3), (2, 2, 3)], "gd": []}
    assert not any(state.any() for family in families for state in family.states)


def by_column(grid: Grid, flat: Tensor, gradients: list[Tensor]) -> Tensor:
    """Return what each run's rule makes of its own parameters, step after step."""
    new = flat.clone()
    for s, k, run in grid.cells():
        choice = run.choices["optimizer"]
        rule, w = read_rule(REGISTRY.find("optimizer", choice.name).load()), flat[s, k].clone()
        states = tuple(torch.zeros_like(w) for _ in rule.states)
        for t, gradient in enumerate(gradients, 1):
            w, states = rule.update(w, gradient[s, k].clone(), states, t, 5, choice.settings)
        new[s, k] = w
    return new


def step(families: list[Family], flat: Tensor, gradient: Tensor, t: int) -> Tensor:
    slices = [slice(family.start, family.stop) for family in families]
    pairs = [(family, flat[:, columns], gradient[:, columns]) for family, columns in zip(families, slices, strict=True)]
    return torch.cat([family.update(w, g, t, 5, one_parameter) for family, w, g in pairs], 1)


MIXED = (
    '{ name = "scratch.adam", lr = { grid = [0.1, 0.2, 0.3] }, keep = { grid = [0.5, 0.9] } }',
    '{ name = "by_size", lr = { grid = [0.1, 0.2] } }',
    '{ name = "SGD", lr = 0.1, momentum = { grid = [0.0, 0.5, 0.9] } }',
    '{ name = "by_size", lr = 0.3, keep = 0.2 }',
)


@pytest.fixture
def by_size() -> None:
    """Register a rule that needs to see a parameter as a whole."""

    @optimizer("by_size")
    def by_size(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1, keep: float = 0.5) -> tuple[Tensor, Tensor]:
        v = keep * v + g / g.norm()
        return w - lr * v, v


@pytest.mark.usefixtures("by_size")
def test_each_column_is_updated_by_its_own_rule_and_settings(plan: MakePlan) -> None:
    grid, families, flat = families_of(plan, *MIXED)
    gradients = [torch.randn(flat.shape, dtype=flat.dtype) for _ in range(4)]
    new = flat
    for t, gradient in enumerate(gradients, 1):
        new = step(families, new, gradient, t)
    torch.testing.assert_close(new, by_column(grid, flat, gradients), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("by_size")
@pytest.mark.parametrize("columns", [[0], [1, 2, 7], [5, 6, 8, 11], [0, 2, 4, 6, 8, 10], list(range(12))])
def test_columns_that_stay_go_on_as_if_nobody_had_left(columns: list[int], plan: MakePlan) -> None:
    grid, families, flat = families_of(plan, *MIXED)
    gradients = [torch.randn(flat.shape, dtype=flat.dtype) for _ in range(4)]
    new = step(families, step(families, flat, gradients[0], 1), gradients[1], 2)
    families, new = keep_columns(families, columns, CPU), new[:, columns]
    assert [0, *(family.stop for family in families)] == [*(family.start for family in families), len(columns)]
    for t in (3, 4):
        new = step(families, new, gradients[t - 1][:, columns], t)
    torch.testing.assert_close(new, by_column(grid, flat, gradients)[:, columns], rtol=1e-12, atol=1e-12)


def test_every_built_in_rule_is_applied_to_all_parameters_as_one_vector() -> None:
    loaded = [component.load() for component in REGISTRY.components("optimizer")]
    rules = [rule for rule in loaded if not makes_optimizer(rule) and rule is not typed]
    assert len(rules) == 17
    assert [rule.__name__ for rule in rules if not read_rule(rule).elementwise] == []


def test_a_rule_may_be_stacked_and_a_class_may_not(plan: MakePlan) -> None:
    obstacles = {
        name: can_join(REGISTRY, runs_of(plan, f'{{ name = "{name}" }}')[0])
        for name in ("SGD", "scratch.gd", "LBFGS", "Adafactor", "Muon")
    }
    assert obstacles == {
        "SGD": "",
        "scratch.gd": "",
        "LBFGS": "LBFGS is an optimizer class, not an update rule",
        "Adafactor": "Adafactor is an optimizer class, not an update rule",
        "Muon": "Muon is an optimizer class, not an update rule",
    }
