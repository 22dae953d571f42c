"""Models that predict the next token of a sequence: a recurrent one and a small transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.models.setting_checks import uneven_heads
from xprun.plugins.registry import model
from xprun.plugins.types import Depth, Fraction, Width

if TYPE_CHECKING:
    from torch import Tensor, nn


@model("char_lstm")
def char_lstm(
    x: Tensor,
    y: Tensor,
    *,
    embedding_dim: Width = 32,
    hidden_size: Width = 128,
    num_layers: Depth = 1,
    dropout: Fraction = 0.0,
) -> nn.Module:
    """An LSTM from token ids [B, L] to scores [B, tokens, L] of the token that follows each: `CrossEntropyLoss`.

    An embedding of each token, `num_layers` of LSTM with `dropout` between them, and one Linear layer.
    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; of characters, Karpathy's char-rnn, 2015.
    """
    from xprun.plugins.models.sequence_modules import CharLSTM

    return CharLSTM(count_tokens("char_lstm", x, y), embedding_dim, hidden_size, num_layers, dropout)


@model("transformer", check=uneven_heads)
def transformer(
    x: Tensor,
    y: Tensor,
    *,
    d_model: Width = 64,
    nhead: Width = 4,
    num_layers: Depth = 2,
    dim_feedforward: Width | None = None,
    dropout: Fraction = 0.0,
) -> nn.Module:
    """A causal transformer from token ids [B, L] to scores [B, tokens, L] of the token that follows each.

    Embeddings of tokens and of places, `num_layers` of attention with `nhead` heads and a network of
    `dim_feedforward` (4 x d_model) units, normalised before each, then a LayerNorm and a Linear layer. Weights start
    normally distributed with a standard deviation of 0.02, biases at zero. `dropout` stands behind attention and
    network.
    Source: Vaswani et al., Attention Is All You Need, 2017, with the order of normalisation of GPT-2 (Radford et al.,
    Language Models are Unsupervised Multitask Learners, 2019).
    """
    from xprun.plugins.models.sequence_modules import Transformer

    tokens, width = count_tokens("transformer", x, y), dim_feedforward or 4 * d_model
    return Transformer(tokens, x.shape[1], d_model, nhead, num_layers, width, dropout)


def count_tokens(model: str, x: Tensor, y: Tensor) -> int:
    """Return how many tokens there are in the first rows x [B, L] and in all targets y [N, L].

    Raises ValueError where they are no token ids.
    """
    if getattr(x, "shape", ())[1:] != y.shape[1:] or y.dim() != 2 or x.is_floating_point() or y.is_floating_point():
        raise ValueError(
            f"{model} predicts the next token: it takes token ids [N, L] and as many targets, integers both, as the "
            'data set "text" has them'
        )
    return int(max(x.max(), y.max())) + 1
