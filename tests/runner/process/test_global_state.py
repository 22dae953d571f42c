"""What a component changes of what all runs share is found by its name, and put back."""

from __future__ import annotations

import gc
import math
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from xprun.runner.engine.loop import Training
from xprun.runner.process.global_state import GlobalState
from xprun.runner.process.patches import namespaces


@pytest.fixture
def state() -> Iterator[GlobalState]:
    namespaces().look()
    state = GlobalState.now()
    yield state
    state.restore()


def test_where_nothing_has_changed_there_is_nothing_to_tell(state: GlobalState) -> None:
    assert state.restore() == ([], True)


def replace(owner: Any, name: str, value: Any = None) -> Callable[[], Any]:
    return lambda: setattr(owner, name, value or (lambda *args, **kwargs: None))


CHANGES: dict[str, tuple[Callable[[], Any], str]] = {
    "dtype": (lambda: torch.set_default_dtype(torch.float64), "default_dtype() was torch.float32 and is torch.float64"),
    "device": (lambda: torch.set_default_device("meta"), "torch.get_default_device() was cpu and is meta"),
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "torch.get_num_threads()"),
    "function": (replace(functional, "cross_entropy"), "torch.nn.functional.cross_entropy was replaced"),
    "method": (replace(nn.Linear, "reset_parameters"), "torch.nn.modules.linear.Linear.reset_parameters was replaced"),
    "method of C": (replace(torch.Tensor, "matmul"), "torch.Tensor.matmul was replaced"),
    "of numpy": (replace(np, "sum"), "numpy.sum was replaced"),
    "of Python": (replace(math, "pi", 3.0), "math.pi was replaced"),
    "of xprun": (replace(Training, "step"), "xprun.runner.engine.loop.Training.step was replaced"),
    "module": (lambda: sys.modules.update(random=os), "sys.modules['random'] was replaced"),
    "code": (replace(nn.Linear.reset_parameters, "__code__", (lambda self: None).__code__), "reset_parameters's code"),
    "defaults": (replace(nn.init.kaiming_uniform_, "__defaults__", (1.0,)), "kaiming_uniform_'s code"),
    "deleted": (lambda: delattr(functional, "relu"), "torch.nn.functional.relu was replaced"),
    "hook": (
        lambda: nn.modules.module.register_module_forward_pre_hook(lambda *args: None),
        "torch.nn.modules.module._global_forward_pre_hooks",
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_has_a_name_and_is_undone(state: GlobalState, kind: str) -> None:
    change, told = CHANGES[kind]
    change()
    changes, is_restored = state.restore()
    assert [told in text for text in changes] == [True]
    assert is_restored
    assert state.restore() == ([], True)


def test_what_changes_no_number_is_put_back_without_a_word(
    state: GlobalState,
) -> None:
    before = os.environ["PATH"], sys.path.copy(), np.geterr(), [*warnings.filters]
    os.environ.clear()
    sys.path.clear()
    np.seterr(all="raise")
    warnings.simplefilter("ignore")
    gc.disable()
    assert state.restore() == ([], True)
    assert (os.environ["PATH"], sys.path, np.geterr(), warnings.filters) == before
    assert gc.isenabled()


def test_what_torch_wraps_itself_is_no_change(state: GlobalState) -> None:
    class Own(torch.optim.Adagrad):
        """An optimizer whose class, and that of which it is, torch has not seen."""

    for made in (torch.optim.Adagrad, torch.optim.Rprop, Own):
        made([nn.Parameter(torch.zeros(1))]).step()
    torch.compile(torch.neg, backend="eager")(torch.ones(1))
    assert state.restore() == ([], True)


def test_what_is_new_and_hides_nothing_is_no_change(state: GlobalState) -> None:
    replace(functional, "my_loss")()
    replace(torch.Tensor, "my_method")()
    random.seed(0)
    assert state.restore() == ([], True)
    del functional.my_loss, torch.Tensor.my_method  # type: ignore[attr-defined]
