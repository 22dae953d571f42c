"""Muon and SparseAdam train any model with a partner for the parameters that they do not take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.optimizers_by_hand import ByHand, spec_of
from support.training import MakePlan, each_alone
from torch import Tensor, nn
from xprun.plugins import model
from xprun.plugins.optimizers.optimizer_pair import Pair
from xprun.plugins.registry import REGISTRY
from xprun.runner.optimizer_check.optimizer_trial import try_optimizer
from xprun.runner.results.outcome import Outcome

WARMUP = '[scheduler]\nname = "LinearLR"\nstart_factor = 0.1\ntotal_iters = 7\nper = "step"'


def warmups(*optimizers: Any) -> Any:
    schedulers = [torch.optim.lr_scheduler.LinearLR(one, start_factor=0.1, total_iters=7) for one in optimizers]
    return lambda: [one.step() for one in schedulers]


def close(outcome: Outcome, hand: ByHand) -> None:
    np.testing.assert_allclose(outcome.history["loss"].values, hand.losses, rtol=1e-12, atol=1e-12)


def of(hand: ByHand, matrices: bool, *but: str) -> list[nn.Parameter]:
    return [p for name, p in hand.named.items() if (p.ndim == 2 and name not in but) is matrices]


@pytest.mark.parametrize("scheduler", ["", WARMUP])
def test_muon_trains_matrices_and_adamw_the_rest(scheduler: str, plan: MakePlan) -> None:
    text = spec_of('{ name = "Muon", lr = 0.05, momentum = 0.9, adamw_lr = 0.02 }', scheduler=scheduler)
    [outcome] = each_alone(plan(text).runs).values()
    hand = ByHand()
    muon = torch.optim.Muon(of(hand, matrices=True), lr=0.05, momentum=0.9)
    adamw = torch.optim.AdamW(of(hand, matrices=False), lr=0.02)
    close(outcome, hand.train([muon, adamw], warmups(muon, adamw) if scheduler else lambda: None))


@pytest.mark.parametrize("scheduler", ["", WARMUP])
def test_groups_choose_who_trains_a_matrix_and_how(scheduler: str, plan: MakePlan) -> None:
    groups = '{ "2.weight" = { use_muon = false, adamw_lr = 0.01 }, "bias" = { adamw_weight_decay = 0.0 } }'
    text = spec_of(f'{{ name = "Muon", lr = 0.05, groups = {groups} }}', scheduler=scheduler)
    [outcome] = each_alone(plan(text).runs).values()
    hand = ByHand()
    muon = torch.optim.Muon(of(hand, True, "2.weight"), lr=0.05)
    biases = {"params": [p for n, p in hand.named.items() if n.endswith("bias")], "weight_decay": 0.0}
    adamw = torch.optim.AdamW([biases, {"params": [hand.named["2.weight"]], "lr": 0.01}], lr=1e-3)
    close(outcome, hand.train([muon, adamw], warmups(muon, adamw) if scheduler else lambda: None))


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ('"bias" = { lr = 0.1 }', "the group's lr has no effect: AdamW trains all of its parameters; write adamw_lr"),
        ('"bias" = { momentum = 0.1 }', "the group's momentum has no effect: AdamW trains all of its parameters$"),
        ('"0.weight" = { adamw_lr = 0.1 }', "the group's adamw_lr has no effect: Muon trains all of its parameters"),
    ],
)
def test_a_setting_of_the_other_one_is_an_error(group: str, message: str, plan: MakePlan) -> None:
    with pytest.raises(ValueError, match=message):
        each_alone(plan(spec_of(f'{{ name = "Muon", groups = {{ {group} }} }}')).runs)


IMAGES = '{ name = "FakeData", size = 20, image_size = [1, 28, 28], num_classes = 10, batch_size = 10 }'
MODELS = {
    '{ name = "softmax" }': '{ name = "digits" }',
    '{ name = "mlp", hidden = [4] }': '{ name = "digits" }',
    '{ name = "lenet" }': IMAGES,
    '{ name = "linear" }': '{ name = "line" }',
}


@pytest.mark.parametrize("written", MODELS)
def test_muon_trains_every_built_in_model(written: str, plan: MakePlan) -> None:
    loss = "MSELoss" if "linear" in written else "CrossEntropyLoss"
    parts = f'data = {MODELS[written]}\nmodel = {written}\nloss = {{ name = "{loss}" }}\n'
    [outcome] = each_alone(plan(parts + 'optimizer = { name = "Muon" }\nrun = { steps = 2 }').runs).values()
    assert outcome.status == "done"


class Words(nn.Module):
    """Rows of an embedding for the pixels that are lit."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(17, 5, sparse=True)
        self.head = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embedding(x[:, 20:24].long()).mean(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("scheduler", ["", WARMUP])
def test_sparse_adam_trains_embeddings_and_adam_the_rest(scheduler: str, plan: MakePlan) -> None:
    model("words")(lambda x, y: Words())
    groups = 'groups = { "bias" = { lr = 0.1 } }'
    text = spec_of(f'{{ name = "SparseAdam", lr = 0.05, {groups} }}', model='{ name = "words" }', scheduler=scheduler)
    [outcome] = each_alone(plan(text).runs).values()
    hand = ByHand(make=Words)
    sparse = torch.optim.SparseAdam([hand.named["embedding.weight"]], lr=0.05)
    dense = [{"params": [hand.named["head.weight"]]}, {"params": [hand.named["head.bias"]], "lr": 0.1}]
    adam = torch.optim.Adam(dense, lr=0.05)
    close(outcome, hand.train([sparse, adam], warmups(sparse, adam) if scheduler else lambda: None))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch's Adagrad makes such tensors
@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_rules_take_the_gradients_of_such_layers(name: str, plan: MakePlan) -> None:
    """torch gives these two sparse gradients as well; where nothing decays, it comes to the same."""
    model("words")(lambda x, y: Words())
    [outcome] = each_alone(plan(spec_of(f'{{ name = "{name}", lr = 0.1 }}', model='{ name = "words" }')).runs).values()
    hand = ByHand(make=Words)
    close(outcome, hand.train(getattr(torch.optim, name)(hand.model.parameters(), lr=0.1)))


@pytest.mark.parametrize("name", ["Muon", "SparseAdam"])
def test_a_check_finds_nothing_wrong(name: str) -> None:
    assert try_optimizer(REGISTRY, name).problems == []


def test_a_pair_takes_a_closure_once() -> None:
    weight, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    pair = Pair(torch.optim.SGD([weight], lr=0.1), torch.optim.SGD([bias], lr=0.2))
    calls = []

    def closure() -> Tensor:
        calls.append(1)
        pair.zero_grad()
        loss = weight.sum() + bias.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    assert pair.step(closure) == 6
    assert len(calls) == 1
    assert (weight == 0.9).all()
    assert (bias == 0.8).all()
