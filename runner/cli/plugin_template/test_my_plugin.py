"""The rule is right, and moves as its formula says."""

from __future__ import annotations

import torch
from my_plugin import signum
from xprun import try_optimizer


def test_signum_takes_steps_of_the_length_of_the_learning_rate() -> None:
    assert try_optimizer("my_plugin.signum").problems == []
    w, m = signum(torch.zeros(3), torch.tensor([4.0, -2.0, 0.0]), torch.zeros(3), lr=0.5, momentum=0.75)
    assert w.tolist() == [-0.5, 0.5, 0.0]
    assert m.tolist() == [1.0, -0.5, 0.0]
