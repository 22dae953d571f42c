"""The networks of a first course: softmax regression, the multilayer perceptron and LeNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xprun.plugins.models.shapes import count_outputs, want_images
from xprun.plugins.registry import model
from xprun.plugins.types import Fraction, Width

if TYPE_CHECKING:
    from torch import Tensor, nn

Activation = Literal["ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Softplus", "Tanh", "Sigmoid"]


@model("softmax")
def softmax(x: Tensor, y: Tensor) -> nn.Module:
    """Softmax regression: one Linear layer from a flattened row to a score [B, classes] for each class.

    The loss (`CrossEntropyLoss`) takes the softmax. For real-valued targets [N, k] it is linear regression.
    """
    return mlp(x, y, hidden=[])


@model("mlp")
def mlp(
    x: Tensor,
    y: Tensor,
    *,
    hidden: list[Width] = [128],  # noqa: B006 - read, never changed
    activation: Activation = "ReLU",
    dropout: Fraction = 0.0,
) -> nn.Module:
    """Multilayer perceptron: Linear layers of these widths, each with its activation, and one Linear layer to the end.

    Rows are flattened; there is one output for each class or column of the targets. `dropout` is the share of
    activations that is set to zero after each hidden layer in training.
    """
    from torch import nn

    sizes = [x[0].numel(), *hidden]
    parts: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in zip(sizes, hidden, strict=False):
        parts += [nn.Linear(inputs, outputs), getattr(nn, activation)()]
        parts += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*parts, nn.Linear(sizes[-1], count_outputs(y)))


@model("lenet")
def lenet(
    x: Tensor, y: Tensor, *, activation: Activation = "Sigmoid", pool: Literal["AvgPool2d", "MaxPool2d"] = "AvgPool2d"
) -> nn.Module:
    """LeNet-5: two convolutions of 5 x 5 with pooling, then Linear layers of 120 and 84, for images [B, C, H, W].

    Images are at least 12 x 12. Source: LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document
    Recognition, 1998, with a plain last layer, as in Dive into Deep Learning, section 7.6.
    """
    from torch import nn

    want_images("lenet", x)
    if min(x.shape[2:]) < 12:
        raise ValueError(f"lenet takes images of at least 12 x 12 pixels, but these are {x.shape[2]} x {x.shape[3]}")
    rows, columns = ((size // 2 - 4) // 2 for size in x.shape[2:])
    bent = getattr(nn, activation)
    return nn.Sequential(
        *(nn.Conv2d(x.shape[1], 6, 5, padding=2), bent(), getattr(nn, pool)(2)),
        *(nn.Conv2d(6, 16, 5), bent(), getattr(nn, pool)(2)),
        nn.Flatten(),
        *(nn.Linear(16 * rows * columns, 120), bent()),
        *(nn.Linear(120, 84), bent()),
        nn.Linear(84, count_outputs(y)),
    )
