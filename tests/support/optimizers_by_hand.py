"""A small model on rows in a fixed order, trained by hand with an optimizer of torch: what runs are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.datasets.digits import digits

LAYERS = """{ layers = [
  { name = "Linear", in_features = 64, out_features = 8 },
  { name = "MIDDLE" },
  { name = "Linear", in_features = 8, out_features = 10 },
] }"""
SPEC = """
data = { name = "digits", valid = 0.9, batch_size = 30 }
model = MODEL
loss = { name = "CrossEntropyLoss" }
optimizer = OPTIMIZER
SCHEDULER
[run]
epochs = 3
dtype = "float64"
RUN
"""
STEPS = 18  # 180 rows in 6 steps an epoch


def spec_of(optimizer: str, *, model: str = "", scheduler: str = "", run: str = "", middle: str = "Tanh") -> str:
    """Return a spec of the model below with an optimizer, written as an inline table, or several in a list."""
    parts = {"MODEL": model or LAYERS, "OPTIMIZER": optimizer, "SCHEDULER": scheduler, "RUN": run, "MIDDLE": middle}
    text = SPEC
    for name, value in parts.items():
        text = text.replace(name, value)
    return text


@dataclass
class ByHand:
    """The textbook loop over the rows that the spec trains on, for one seed."""

    seed: int = 0
    middle: Callable[[], nn.Module] = nn.Tanh
    make: Callable[[], nn.Module] | None = None
    losses: list[float] = field(default_factory=list)
    latest: Tensor = field(default_factory=lambda: torch.zeros(()))

    def __post_init__(self) -> None:
        table = digits()
        order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
        train, valid = order[1617:].sort().values, order[:1617].sort().values
        self.x, self.y = table.inputs[train].double(), table.targets[train]
        self.valid = table.inputs[valid].double(), table.targets[valid]
        torch.manual_seed(self.seed)
        self.model = (self.make() if self.make else self._layers()).double()

    def _layers(self) -> nn.Module:
        return nn.Sequential(nn.Linear(64, 8), self.middle(), nn.Linear(8, 10))

    @property
    def named(self) -> dict[str, nn.Parameter]:
        return dict(self.model.named_parameters())

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.manual_seed(self.seed)  # what random layers draw from
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(3):
            for rows in torch.randperm(len(self.x), generator=generator).split(30):
                yield self.x[rows], self.y[rows]

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.model(x), y)

    def train(self, optimizer: Any, after: Callable[[], Any] = lambda: None) -> ByHand:
        """Train with an optimizer, or several side by side; `after` each step, as a scheduler's `step`, call that."""
        optimizers = optimizer if isinstance(optimizer, list) else [optimizer]
        for x, y in self.batches():
            for one in optimizers:
                one.zero_grad()
            loss = self.loss(x, y)
            self.latest = loss.detach()
            loss.backward()  # type: ignore[no-untyped-call]
            for one in optimizers:
                one.step()
            after()
            self.losses.append(loss.item())
        return self

    def valid_loss(self) -> float:
        with torch.no_grad():
            return self.model.eval() and self.loss(*self.valid).item()  # type: ignore[return-value]
