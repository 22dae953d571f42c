"""A rule that looks at more than one element is never taken for one that does not, whatever hides it."""

from __future__ import annotations

import dis
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from xprun.runner.engine.update_rules import read_rule


def norm_later(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    return w - lr * g / g.norm() if t > 10 else w - lr * g


def import_later(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    if t > 10:
        from torch.linalg import norm

        return w - lr * g / norm(g)
    return w - lr * g


def search_later(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    return w - lr * g if t < 10 or 0.0 in g else w


def product_for_another_setting(w: Tensor, g: Tensor, *, lr: float = 0.1, clip: bool = False) -> Tensor:
    return w - lr * g / (g @ g) if clip else w - lr * g


def comparison_of_all(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w if torch.equal(w, g) else w - lr * g


def item(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g / (1 + g.max().item())


def unpacked(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    first, _ = g
    return w - lr * first


def of_a_shape(rows: int) -> Any:
    def rule(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
        return w - lr * g if w.shape[0] == rows else w

    return rule


@pytest.mark.parametrize(
    "rule",
    [
        norm_later,
        import_later,
        search_later,
        product_for_another_setting,
        comparison_of_all,
        item,
        unpacked,
        of_a_shape(3),
    ],
)
def test_a_rule_that_may_look_at_other_elements_is_not_elementwise(rule: Any) -> None:
    assert not read_rule(rule).elementwise


def test_arithmetic_on_numbers_and_branches_on_them_leave_a_rule_elementwise() -> None:
    def corrected(w: Tensor, g: Tensor, m: Tensor, t: int, *, keep: float = 0.9) -> tuple[Tensor, Tensor]:
        m = g if t == 1 else keep * m + (1 - keep) * g
        return w - m / math.sqrt(1 - keep**t), m

    assert read_rule(corrected).elementwise


def plain(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g


def with_a_state(w: Tensor, g: Tensor, m: Tensor, *, lr: float = 0.1, keep: float = 0.9) -> tuple[Tensor, Tensor]:
    m = keep * m + g
    return w - lr * m.sign(), m


def with_a_branch(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    return w - lr * torch.where(g > 0, g, -g) if t > 1 else w


@pytest.mark.parametrize("code", ["LOAD_TENSOR_ITEM", "BINARY_OP_SOME_ITEMS", "MATCH_ROWS", "<0>"])
@pytest.mark.parametrize("rule", [plain, with_a_state, with_a_branch])
def test_a_byte_code_of_a_later_python_leaves_each_parameter_by_itself(
    rule: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_rule.cache_clear()
    assert read_rule(rule).elementwise
    known = list(dis.get_instructions(rule))
    for i, instruction in enumerate(known):
        later = [*known[:i], instruction._replace(opname=code), *known[i + 1 :]]
        read_rule.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(dis, "get_instructions", lambda _, later=later: iter(later))
            assert not read_rule(rule).elementwise
    read_rule.cache_clear()
