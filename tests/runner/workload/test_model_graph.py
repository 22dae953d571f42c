"""The graph of a model tells what it calls, how that hangs together, and where the parameters are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from xprun.plugins.models.modules import LinearRegression
from xprun.plugins.models.sequence_modules import CharLSTM, Transformer
from xprun.runner.workload.layer_settings import in_short
from xprun.runner.workload.model_graph import graph_of


def calls(module: nn.Module, inputs: Any) -> list[tuple[str, str, list[int]]]:
    return [(node["op"], node["path"], node["inputs"]) for node in graph_of(module.eval(), inputs)["nodes"]]


class Residual(nn.Module):
    """A block with all that a trace of symbols would stumble over: a branch on data, shapes, calls in place."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        if y.sum() > -1:
            y = y * self.scale.abs()
        return (y + x).reshape(x.shape[0], -1)


def test_branches_residuals_and_parameters_of_functions_are_seen() -> None:
    graph = graph_of(Residual().eval(), torch.zeros(2, 3))
    assert [(node["op"], node["path"], node["inputs"]) for node in graph["nodes"]] == [
        ("input", "", []),
        ("Linear", "inner.0", [0]),
        ("ReLU", "inner.1", [1]),
        ("mul", "", [2]),
        ("add", "", [3, 0]),
        ("reshape", "", [4]),
        ("output", "", [5]),
    ]
    assert [node["parameters"] for node in graph["nodes"]] == [0, 12, 0, 3, 0, 0, 0]
    assert graph["nodes"][1]["shapes"] == [["N", 3]]
    assert graph["modules"] == {"inner": "Sequential"}
    assert (graph["parameters"], graph["trainable"]) == (15, 15)


def test_layers_of_torch_are_shown_as_a_whole() -> None:
    tokens = torch.zeros(2, 5, dtype=torch.int64)
    assert [op for op, _, _ in calls(CharLSTM(7, 4, 6, 1, 0.0), tokens)] == [
        *("input", "Embedding", "LSTM", "Linear", "mT", "output")
    ]
    encoder = nn.Sequential(nn.Embedding(7, 4), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True))
    assert [op for op, _, _ in calls(encoder, tokens)] == ["input", "Embedding", "TransformerEncoderLayer", "output"]


def test_every_parameter_of_a_model_is_counted_once() -> None:
    tied = Transformer(7, 5, 4, 2, 2, 8, 0.0)
    tied.scores.weight = tied.embedding.weight
    graph = graph_of(tied.eval(), torch.zeros(2, 5, dtype=torch.int64))
    assert sum(node["parameters"] for node in graph["nodes"]) == graph["parameters"]
    assert graph_of(LinearRegression(2).eval(), torch.zeros(2, 2))["nodes"][1]["parameters"] == 3


def test_inputs_by_name_are_called_by_it_and_what_leads_nowhere_is_left_out() -> None:
    class Two(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
            left.exp()
            return {"sum": left + right, "left": left}

    assert calls(Two(), {"left": torch.zeros(2, 3), "right": torch.zeros(2, 3)}) == [
        ("input", "left", []),
        ("input", "right", []),
        ("add", "", [0, 1]),
        ("output", "", [2, 0]),
    ]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Linear(64, 10), "64 \N{RIGHTWARDS ARROW} 10"),
        (nn.Conv2d(1, 8, 3, padding=1, bias=False), "1 \N{RIGHTWARDS ARROW} 8, kernel_size=3, padding=1, bias=False"),
        (nn.BatchNorm2d(8), "num_features=8"),
        (nn.MaxPool2d((2, 3)), "kernel_size=(2, 3), stride=(2, 3)"),
        (nn.ReLU(inplace=True), ""),
        (nn.GRU(3, 4, batch_first=True), "input_size=3, hidden_size=4, batch_first=True"),
    ],
)
def test_settings_are_told_that_differ_from_the_defaults(layer: nn.Module, words: str) -> None:
    assert in_short(layer) == words
