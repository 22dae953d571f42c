"""The torch.nn.Module classes behind layers and models of sequences; imported when one of them is built."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALL = 0.02  # the standard deviation of weights at the start, as in GPT-2


class OutputsAlone(nn.RNNBase):
    """A recurrent network that returns its outputs alone: those of all places, or of the last one."""

    def __init__(self, returns: str, *settings: Any) -> None:
        super().__init__(*settings)
        self.returns = returns

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = super().forward(x)[0]
        return outputs[:, -1] if self.returns == "last" else outputs


class LSTM(OutputsAlone, nn.LSTM):  # type: ignore[misc]
    """See `OutputsAlone`."""


class GRU(OutputsAlone, nn.GRU):  # type: ignore[misc]
    """See `OutputsAlone`."""


class TransformerEncoderLayer(nn.TransformerEncoderLayer):
    """An encoder layer that knows whether a place may see those after it."""

    def __init__(self, causal: bool, *settings: Any, **more: Any) -> None:
        super().__init__(*settings, **more)
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if not self.causal:
            return super().forward(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], x.device, x.dtype)
        return super().forward(x, src_mask=mask, is_causal=True)


class Positions(nn.Module):
    """x [B, L, features] -> x plus the first L of the learned vectors [length, features]."""

    def __init__(self, length: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(length, features) * SMALL)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]


class Transpose(nn.Module):
    """Swaps two axes."""

    def __init__(self, dim0: int, dim1: int) -> None:
        super().__init__()
        self.dim0, self.dim1 = dim0, dim1

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(self.dim0, self.dim1)


class CharLSTM(nn.Module):
    """Tokens [B, L] -> scores [B, tokens, L] of the token that follows each."""

    def __init__(self, tokens: int, embedding_dim: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_size, num_layers, batch_first=True, dropout=dropout)
        self.scores = nn.Linear(hidden_size, tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.lstm(self.embedding(tokens))
        scores: Tensor = self.scores(outputs)
        return scores.mT


class Transformer(nn.Module):
    """Tokens [B, L] -> scores [B, tokens, L] of the token that follows each, in view of those before it alone."""

    def __init__(
        self,
        tokens: int,
        length: int,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, d_model)
        self.positions = Positions(length, d_model)
        self.blocks = nn.Sequential(*(Block(d_model, nhead, dim_feedforward, dropout) for _ in range(num_layers)))
        self.norm = nn.LayerNorm(d_model)
        self.scores = nn.Linear(d_model, tokens)
        self.apply(_start_small)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.positions(self.embedding(tokens))
        scores: Tensor = self.scores(self.norm(self.blocks(x)))
        return scores.mT


class Block(nn.Module):
    """Attention and a small network for each place, each added to what it is given, normalised before."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = CausalAttention(d_model, nhead, dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(d_model, dim_feedforward), nn.GELU(), nn.Linear(dim_feedforward, d_model), dropped(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        y: Tensor = x + self.feedforward(self.norm2(x))
        return y


class CausalAttention(nn.Module):
    """Each place [B, L, d_model] looks at itself and those before it, with several heads."""

    def __init__(self, d_model: int, nhead: int, dropout: float) -> None:
        super().__init__()
        self.nhead = nhead
        self.queries_keys_values = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Sequential(nn.Linear(d_model, d_model), dropped(dropout))

    def forward(self, x: Tensor) -> Tensor:
        per_head = self.queries_keys_values(x).unflatten(2, (3, self.nhead, -1))  # [B, L, 3, heads, features]
        queries, keys, values = per_head.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=True
        )  # [B, heads, L, features]
        mixed: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return mixed


def dropped(p: float) -> nn.Module:
    """Return dropout, or where there is none nothing: a model that never draws at random can be compiled."""
    return nn.Dropout(p) if p else nn.Identity()


def _start_small(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=SMALL)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
