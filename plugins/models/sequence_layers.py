"""Layers of sequences [B, L, features], rows first as everywhere: recurrent ones, and those of a transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xprun.plugins.models.setting_checks import large_projection, uneven_heads
from xprun.plugins.registry import layer
from xprun.plugins.types import Depth, Fraction, NonNegativeInt, Width

if TYPE_CHECKING:
    from torch import nn

Returns = Literal["sequence", "last"]


@layer("LSTM", check=large_projection)
def lstm(
    *,
    input_size: Width,
    hidden_size: Width,
    num_layers: Depth = 1,
    bias: bool = True,
    dropout: Fraction = 0.0,
    bidirectional: bool = False,
    proj_size: NonNegativeInt = 0,
    returns: Returns = "sequence",
) -> nn.Module:
    """`torch.nn.LSTM` of sequences [B, L, input_size], with `batch_first = true`.

    It returns the outputs at all places [B, L, hidden_size], or with `returns = "last"` those at the last one
    [B, hidden_size]; the states are dropped. `dropout` stands between the `num_layers`.
    """
    from xprun.plugins.models.sequence_modules import LSTM

    return LSTM(returns, input_size, hidden_size, num_layers, bias, True, dropout, bidirectional, proj_size)


@layer("GRU")
def gru(
    *,
    input_size: Width,
    hidden_size: Width,
    num_layers: Depth = 1,
    bias: bool = True,
    dropout: Fraction = 0.0,
    bidirectional: bool = False,
    returns: Returns = "sequence",
) -> nn.Module:
    """`torch.nn.GRU` of sequences [B, L, input_size], with `batch_first = true`.

    It returns the outputs at all places [B, L, hidden_size], or with `returns = "last"` those at the last one
    [B, hidden_size]; the state is dropped. `dropout` stands between the `num_layers`.
    """
    from xprun.plugins.models.sequence_modules import GRU

    return GRU(returns, input_size, hidden_size, num_layers, bias, True, dropout, bidirectional)


@layer("TransformerEncoderLayer", check=uneven_heads)
def transformer_encoder_layer(
    *,
    d_model: Width,
    nhead: Width,
    dim_feedforward: Width = 2048,
    dropout: Fraction = 0.1,
    activation: Literal["relu", "gelu"] = "relu",
    layer_norm_eps: float = 1e-5,
    norm_first: bool = False,
    bias: bool = True,
    causal: bool = False,
) -> nn.Module:
    """`torch.nn.TransformerEncoderLayer` of sequences [B, L, d_model], with `batch_first = true`.

    With `causal = true` no place sees those after it. Such layers do not know the order of places: see `positions`.
    """
    from xprun.plugins.models.sequence_modules import TransformerEncoderLayer

    settings = {"layer_norm_eps": layer_norm_eps, "norm_first": norm_first, "bias": bias, "batch_first": True}
    return TransformerEncoderLayer(causal, d_model, nhead, dim_feedforward, dropout, activation, **settings)


@layer("positions")
def positions(*, length: Width, features: Width) -> nn.Module:
    """Adds a learned vector for each place to a sequence [B, L, features] of at most `length` places."""
    from xprun.plugins.models.sequence_modules import Positions

    return Positions(length, features)


@layer("transpose")
def transpose(*, dim0: int, dim1: int) -> nn.Module:
    """Swaps two axes, of which 0 is the rows: scores [B, L, classes] become [B, classes, L] by `dim0 = 1, dim1 = 2`."""
    from xprun.plugins.models.sequence_modules import Transpose

    return Transpose(dim0, dim1)
