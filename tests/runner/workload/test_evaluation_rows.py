"""How many rows are measured at once: enough to repay a call, and no more than stay in a cache."""

import pytest
import torch
from torch import Tensor, nn
from xprun.runner.workload.evaluation_rows import numbers_of_a_row, predictions, rows_at_once


@pytest.mark.parametrize(
    ("module", "inputs", "rows"),
    [
        (nn.Linear(64, 10), torch.zeros(5, 64), 4096),
        (nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()), torch.zeros(5, 1, 28, 28), 256),
        (nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()), torch.zeros(5, 3, 224, 224), 32),
        (nn.Embedding(9, 64), torch.zeros(5, 2**8, dtype=torch.long), 2**7),
    ],
)
def test_rows_are_fewer_where_layers_put_out_more(module: nn.Module, inputs: Tensor, rows: int) -> None:
    assert rows_at_once(module, inputs) == rows


def test_the_numbers_of_a_row_are_those_of_the_innermost_layers() -> None:
    module = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Linear(8, 3))
    assert numbers_of_a_row(module, torch.zeros(5, 4)) == 8 + 8 + 3


def test_asking_draws_nothing_and_leaves_no_hook() -> None:
    module, before = nn.Sequential(nn.Linear(4, 4), nn.Dropout()), torch.get_rng_state()
    rows_at_once(module, torch.zeros(2, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(part._forward_hooks for part in module.modules())


def test_pieces_are_put_together_in_their_order() -> None:
    inputs = torch.arange(10.0).reshape(5, 2)
    assert torch.equal(predictions(nn.Identity(), inputs, 2), inputs)
