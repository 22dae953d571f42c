"""Sequences: layers and models of tokens, alone and together, against what torch's own modules compute by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.cohorts import Cohort, layers, named
from support.training import MakePlan
from torch import Tensor, nn
from xprun.plugins.models.sequence_modules import CausalAttention
from xprun.runner.workload.batch_order import batches
from xprun.specs import Run

TEXT = "the quick brown fox jumps over the lazy dog\n" * 6 + "pack my box with five dozen liquor jugs"
TOKENS = len(set(TEXT))


@pytest.fixture(autouse=True)
def _file(tmp_path: Path) -> None:
    (tmp_path / "fox.txt").write_text(TEXT, encoding="utf-8")


def text(**settings: Any) -> dict[str, Any]:
    return named("text", file="fox.txt", sequence_length=9, **{"valid": 0.25, "batch_size": 5, **settings})


def cohort(plan: MakePlan, model: dict[str, Any], **sections: Any) -> Cohort:
    run = {"epochs": 2, "seeds": 2, "metrics": ["accuracy", "perplexity"]}
    optimizer = named("Adam", lr={"grid": [0.003, 0.03]})
    return Cohort(plan, **{"data": text(), "model": model, "optimizer": optimizer, "run": run, **sections})


def by_hand(cohort: Cohort, run: Run, module: nn.Module) -> Iterator[float]:
    """Yield the losses of an ordinary loop with torch's Adam."""
    work = cohort.work
    module.load_state_dict(work.make_model(run.seed).state_dict())
    optimizer = torch.optim.Adam(module.parameters(), lr=run.choices["optimizer"].settings["lr"])
    for x, y in islice(batches(work.train.inputs, work.train.targets, work.batch_size, run.seed), work.schedule.steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()


def agrees_with(cohort: Cohort, make: Callable[[], nn.Module], rel: float = 1e-12) -> None:
    outcomes = cohort.alone()
    for run in cohort.runs:
        expected = list(by_hand(cohort, run, make().double()))
        np.testing.assert_allclose(outcomes[run.id].history["loss"].values, expected, rel)


SMALL = {"d_model": 8, "nhead": 2, "num_layers": 1}


class TransformerByHand(nn.Module):
    """The built-in transformer in torch's own words: an encoder of pre-normalised layers under a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(TOKENS, 8), nn.Parameter(torch.zeros(9, 8))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True) for _ in range(2)
        )
        self.norm, self.scores = nn.LayerNorm(8), nn.Linear(8, TOKENS)

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        renamed = {"positions.weight": "positions"}
        for i in range(2):
            block = f"blocks.{i}."
            for end in ("weight", "bias"):
                renamed[f"{block}attention.queries_keys_values.{end}"] = f"{block}self_attn.in_proj_{end}"
                renamed[f"{block}attention.out.0.{end}"] = f"{block}self_attn.out_proj.{end}"
                renamed[f"{block}feedforward.0.{end}"] = f"{block}linear1.{end}"
                renamed[f"{block}feedforward.2.{end}"] = f"{block}linear2.{end}"
        return super().load_state_dict({renamed.get(name, name): value for name, value in state.items()})

    def forward(self, tokens: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], dtype=torch.float64)
        x = self.embedding(tokens) + self.positions
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        scores: Tensor = self.scores(self.norm(x))
        return scores.transpose(1, 2)


def test_the_transformer_is_that_of_torch(plan: MakePlan) -> None:
    agrees_with(cohort(plan, named("transformer", **{**SMALL, "num_layers": 2})), TransformerByHand, 1e-11)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_transformers_train_together_as_alone(dropout: float, plan: MakePlan) -> None:
    outcomes = cohort(plan, named("transformer", **SMALL, dropout=dropout)).check("traced")
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    for outcome in outcomes.values():
        assert outcome.history["valid.perplexity"].values == pytest.approx(
            np.exp(outcome.history["valid.loss"].values), rel=1e-9
        )


def test_the_engine_trains_transformers_together(plan: MakePlan) -> None:
    from xprun.runner.engine.execution_units import select_strategy

    made = cohort(plan, named("transformer", **SMALL), run={"epochs": 2, "seeds": 2, "engine": "together"})
    [unit] = select_strategy(made.work, made.runs)
    assert (unit.program, len(unit.grid)) == ("traced", 4)


def test_no_place_sees_those_after_it() -> None:
    attention = CausalAttention(8, 2, 0.0)
    x = torch.randn(1, 5, 8)
    changed = x.clone()
    changed[0, 3:] += 1
    torch.testing.assert_close(attention(x)[0, :3], attention(changed)[0, :3])
    assert not torch.allclose(attention(x)[0, 3:], attention(changed)[0, 3:])


class LSTMByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(TOKENS, 4), nn.LSTM(4, 6, batch_first=True)
        self.scores = nn.Linear(6, TOKENS)

    def forward(self, tokens: Tensor) -> Tensor:
        scores: Tensor = self.scores(self.lstm(self.embedding(tokens))[0])
        return scores.transpose(1, 2)


def test_the_char_lstm_is_that_of_torch(plan: MakePlan) -> None:
    agrees_with(cohort(plan, named("char_lstm", embedding_dim=4, hidden_size=6)), LSTMByHand)


EMBEDDING = named("Embedding", num_embeddings=TOKENS, embedding_dim=6)
SCORES = (named("Linear", in_features=6, out_features=TOKENS), named("transpose", dim0=1, dim1=2))


class OfLayers(nn.Module):
    """An embedding, something between, and scores, under the names that a list of layers gives them."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.add_module("0", nn.Embedding(TOKENS, 6))
        self.add_module("1", between)
        self.add_module("2", nn.Linear(6, TOKENS))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.get_submodule("1")(self.get_submodule("0")(tokens))
        x = x[0] if isinstance(x, tuple) else x
        scores: Tensor = self.get_submodule("2")(x)
        return scores.transpose(1, 2)


BETWEEN: dict[str, tuple[dict[str, Any], Callable[[], nn.Module]]] = {
    "LSTM": (named("LSTM", input_size=6, hidden_size=6), lambda: nn.LSTM(6, 6, batch_first=True)),
    "GRU": (named("GRU", input_size=6, hidden_size=6), lambda: nn.GRU(6, 6, batch_first=True)),
    "bidirectional": (
        named("LSTM", input_size=6, hidden_size=3, num_layers=2, bidirectional=True),
        lambda: nn.LSTM(6, 3, 2, batch_first=True, bidirectional=True),
    ),
    "encoder": (
        named("TransformerEncoderLayer", d_model=6, nhead=2, dim_feedforward=12, dropout=0.0),
        lambda: nn.TransformerEncoderLayer(6, 2, 12, 0.0, batch_first=True),
    ),
    "nested": (
        named("Sequential", layers=[named("Linear", out_features=5), named("Tanh"), named("Linear", out_features=6)]),
        lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 6)),
    ),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_a_layer_of_sequences_is_that_of_torch(name: str, plan: MakePlan) -> None:
    layer, by_torch = BETWEEN[name]
    agrees_with(cohort(plan, layers(EMBEDDING, layer, *SCORES)), lambda: OfLayers(by_torch()))


@pytest.mark.parametrize("name", ["encoder", "nested"])
def test_layers_without_recurrence_train_together_as_alone(name: str, plan: MakePlan) -> None:
    positions = named("positions", length=9, features=6)
    cohort(plan, layers(EMBEDDING, positions, BETWEEN[name][0], *SCORES)).check("traced")


def test_a_causal_encoder_layer_sees_nothing_that_comes_after(plan: MakePlan) -> None:
    layer = named("TransformerEncoderLayer", d_model=6, nhead=2, dim_feedforward=12, dropout=0.0, causal=True)
    made = cohort(plan, layers(EMBEDDING, layer, *SCORES))
    made.check("traced")
    module = made.work.make_model(0).eval()
    changed = made.work.train.inputs[:1].clone()
    before = module(changed)
    changed[0, 5:] = 0
    torch.testing.assert_close(module(changed)[:, :, :5], before[:, :, :5])


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_the_last_outputs_of_a_recurrent_layer_are_features_of_the_row(name: str, plan: MakePlan) -> None:
    layer = named(name, input_size=6, hidden_size=4, returns="last")
    work = cohort(plan, layers(EMBEDDING, layer, named("Linear", out_features=TOKENS)), run={"steps": 1}).work
    module = work.make_model(0)
    assert module(work.train.inputs[:3]).shape == (3, TOKENS)


def test_sizes_left_out_in_a_nested_sequential_change_no_number(plan: MakePlan) -> None:
    def inner(**sizes: int) -> dict[str, Any]:
        return named(
            "Sequential",
            layers=[named("Linear", out_features=5, **sizes), named("Linear", in_features=5, out_features=6)],
        )

    found, written = (
        cohort(plan, layers(EMBEDDING, nested, *SCORES)).work.make_model(3).state_dict()
        for nested in (inner(), inner(in_features=6))
    )
    assert found.keys() == written.keys()
    assert all(torch.equal(found[name], written[name]) for name in found)


def test_targets_that_the_loss_ignores_do_not_count(plan: MakePlan) -> None:
    space = sorted(set(TEXT)).index(" ")
    made = cohort(plan, named("transformer", **SMALL), loss=named("CrossEntropyLoss", ignore_index=space))
    outcomes = made.check("traced")
    assert made.work.valid is not None
    outcome = outcomes[made.runs[0].id]
    assert outcome.history["valid.perplexity"].values == pytest.approx(
        np.exp(outcome.history["valid.loss"].values), rel=1e-9
    )
