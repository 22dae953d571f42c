"""The one table of what can be plugged in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge
from xprun.plugins.signature import Setting, read_settings
from xprun.plugins.types import AbsentByDefault, Fraction, Init, NonNegativeInt, ParameterGroups, PositiveInt, SpecFile


def every_data(
    *,
    batch_size: PositiveInt | Literal["full"] = 32,
    valid: Fraction = 0.0,
    test: Annotated[Fraction, AbsentByDefault()] = 0.0,
    k_folds: Annotated[Annotated[int, Ge(2)] | None, AbsentByDefault()] = None,
    split_seed: NonNegativeInt = 0,
    standardise: bool = False,
) -> None:
    """The settings of every data set.

    `batch_size` rows a step, in an order that the run's seed draws anew for each epoch, or "full": all rows in
    their own order. The share `valid` of the rows is held out to choose by, the share `test` to report by; which ones,
    `split_seed` says, the same for all runs. Instead of `valid`, `k_folds` parts of the rows are held out in turn.
    `standardise` shifts and scales each input to mean 0 and standard deviation 1 over the training rows.
    """


def every_model(
    *,
    init: dict[str, Init] = {},  # noqa: B006 - read, never changed
    freeze: list[str] = [],  # noqa: B006
    start_from: SpecFile | None = None,
) -> None:
    """The settings of every model.

    `init` fills parameters: a key is a parameter's full name, the last part of it, or a pattern with `*`.
    `freeze` names in the same way the parameters that training leaves as they are.
    `start_from` is a `state_dict` file beside the spec, such as a checkpoint, whose parameters all seeds start with.
    """


def every_optimizer(
    *,
    groups: Annotated[ParameterGroups, AbsentByDefault()] = {},  # noqa: B006 - read, never changed
) -> None:
    """The settings of every optimizer.

    `groups` gives some parameters other settings than the rest: a key names parameters as those of `model.freeze` do.
    Where several fit a parameter, the later one counts.
    """


def every_loss(
    *,
    output: Annotated[int | str | None, AbsentByDefault()] = None,
    class_weights: Annotated[Literal["balanced"] | None, AbsentByDefault()] = None,
) -> None:
    """The settings of every loss.

    `output` is the one that the loss takes of several that a model returns: its number in a tuple, from 0, or its name
    in a dictionary. `class_weights = "balanced"` weighs classes by how rare they are among the training rows.
    """


def every_metric(*, output: Annotated[int | str | None, AbsentByDefault()] = None) -> None:
    """The settings of every metric.

    `output` is the one that is measured of several that a model returns; left out, it is the one that the loss takes.
    """


def every_scheduler(*, per: Literal["epoch", "step"]) -> None:
    """The settings of every scheduler.

    `per` is the unit of time in which it counts: the learning rate changes after each epoch, or after each step.
    """


def nothing_more() -> None:
    """No further settings."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of component is: what the runner hands it, and what it gives back.

    A component is a callable. Its positional parameters are handed in by the runner, its keyword-only
    parameters are the settings that a spec may write.
    """

    name: str
    receives: str
    returns: str
    common: Callable[..., Any] = field(default=nothing_more)

    @property
    def common_settings(self) -> dict[str, Setting]:
        """The settings that every component of this kind has beside its own."""
        return read_settings(self.common)


# The rows that a data set can hold out: its own, which it declares, or those of the setting of the same name.
PARTS = ("valid", "test")
# The settings of every data set that say which rows are trained on; a component's own of that name must be the like.
SPLITTING = (*PARTS, "k_folds", "fold")
# The names by which a plot asks for what it draws.
PLOT_RECEIVES = ("runs", "history", "settings", "ranking", "palette", "compare")
SEARCH_RECEIVES = ("settings", "space")  # likewise of a search
METRIC_RECEIVES = "prediction [N, ...], target [N, ...]; parameters, truth, boundary and ignore_index by name"

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "data",
            "",
            "a Table of inputs [N, ...] and targets [N, ...], a Stream, or a torch Dataset or DataLoader",
            every_data,
        ),
        Kind("transform", "image [C, H, W] of floats, from 0 to 1 at first", "an image [C, H, W]"),
        Kind("model", "x: a few rows of inputs, y: all targets", "a torch.nn.Module", every_model),
        Kind("layer", "", "a torch.nn.Module, one of a model's `layers`"),
        Kind("init", "tensor: the parameter to fill in place", "nothing"),
        Kind(
            "loss",
            "prediction [B, ...], target [B, ...]",
            "a scalar tensor, the mean or sum over the batch",
            every_loss,
        ),
        Kind(
            "optimizer",
            "w, g, then state tensors; t, n, T, loss and name by name",
            "the new w, then the new state",
            every_optimizer,
        ),
        Kind(
            "scheduler",
            "lr, the optimizer's; t, the time from 0; T, the length of the run",
            "the learning rate at that time, or that and the momentum",
            every_scheduler,
        ),
        Kind("observer", "", "a function of folder, settings, history and results that writes an ended run there"),
        Kind(
            "launcher",
            "cohorts: lists of runs; context: what `xprun.launching.lead` needs to train one",
            "lists of outcomes, as they come",
        ),
        Kind(
            "plot",
            f"any of {', '.join(PLOT_RECEIVES)}, by name",
            "a matplotlib Figure, or that and its numbers in words",
        ),
        Kind(
            "search",
            "settings: those of the sweeps, by dotted name; space: what each is drawn from; any of them, by name",
            "a generator of rounds: it yields lists of `Trial`s, and is sent the merit of each",
        ),
        Kind(
            "backend",
            "task: one run as plain values and numpy arrays, a `Task`",
            "a `Trainer`, which takes its steps in another framework",
        ),
        Kind("metric", METRIC_RECEIVES, 'a scalar tensor; with goal="none" a matrix, kept at the end', every_metric),
    )
}
