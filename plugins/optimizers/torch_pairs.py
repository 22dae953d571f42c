"""Classes of torch.optim that train some kinds of parameters only, each with a partner that trains the others.

A function takes the parameters, or groups of them as torch.optim takes them, and returns the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Lt
from xprun.plugins.types import AbsentByDefault, Decay, NonNegative

if TYPE_CHECKING:
    import torch
    from torch.optim import Optimizer

PARTNER = "adamw_"  # what the names of AdamW's settings begin with
MUON = ("lr", "weight_decay", "momentum", "nesterov", "ns_coefficients", "eps", "ns_steps", "adjust_lr_fn")
ADAMW = ("lr", "betas", "eps", "weight_decay")


def muon(
    params: list[Any],
    *,
    lr: NonNegative = 1e-3,
    weight_decay: NonNegative = 0.1,
    momentum: NonNegative = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
    eps: NonNegative = 1e-7,
    ns_steps: Annotated[int, Ge(0), Lt(100)] = 5,
    adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
    use_muon: Annotated[bool, AbsentByDefault()] = True,
    adamw_lr: Annotated[NonNegative, AbsentByDefault()] = 1e-3,
    adamw_betas: Annotated[tuple[Decay, Decay], AbsentByDefault()] = (0.9, 0.999),
    adamw_eps: Annotated[NonNegative, AbsentByDefault()] = 1e-8,
    adamw_weight_decay: Annotated[NonNegative, AbsentByDefault()] = 1e-2,
) -> Optimizer:
    """Orthogonalised momentum for matrices, as `torch.optim.Muon`, and AdamW for all other parameters.

    Matrices are the parameters with two axes; `use_muon = false` in a group leaves some of them, such as embeddings and
    the last layer, to AdamW, whose settings begin with `adamw_`. A scheduler scales both learning rates.
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); for AdamW Loshchilov and Hutter,
    "Decoupled weight decay regularization" (2019).
    """
    from torch.optim import AdamW, Muon
    from xprun.plugins.optimizers.optimizer_pair import Pair

    common = {
        "lr": lr,
        "weight_decay": weight_decay,
        "momentum": momentum,
        "nesterov": nesterov,
        "ns_coefficients": ns_coefficients,
        "eps": eps,
        "ns_steps": ns_steps,
        "adjust_lr_fn": adjust_lr_fn,
        "use_muon": use_muon,
        "adamw_lr": adamw_lr,
        "adamw_betas": adamw_betas,
        "adamw_eps": adamw_eps,
        "adamw_weight_decay": adamw_weight_decay,
    }
    matrices, others = [], []
    for group in _groups(params):
        own = {**common, **group}
        two = [p for p in group["params"] if p.ndim == 2 and own["use_muon"]]
        rest = [p for p in group["params"] if not (p.ndim == 2 and own["use_muon"])]
        _refuse_idle(group, two, rest)
        matrices += [{"params": two, **{name: own[name] for name in MUON}}] if two else []
        others += [{"params": rest, **{name: own[PARTNER + name] for name in ADAMW}}] if rest else []
    made: list[Optimizer] = [Muon(matrices)] if matrices else []
    return Pair(*made, *([AdamW(others)] if others else []))


def sparse_adam(
    params: list[Any],
    model: torch.nn.Module,
    *,
    lr: NonNegative = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    maximize: bool = False,
) -> Optimizer:
    """Adam that moves only the rows with a gradient, as `torch.optim.SparseAdam`, and Adam for all other parameters.

    Rows are left out in layers with `sparse = true`, such as an Embedding. Both have the same settings, and a scheduler
    scales both.
    Kingma and Ba, "Adam: a method for stochastic optimization" (2015).
    """
    from torch.optim import Adam, SparseAdam
    from xprun.plugins.optimizers.optimizer_pair import Pair

    layers = [part for part in model.modules() if getattr(part, "sparse", False) is True]
    sparse = {id(p) for part in layers for p in part.parameters(recurse=False)}
    settings = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
    kinds: list[tuple[Callable[..., Optimizer], bool]] = [(SparseAdam, True), (Adam, False)]
    made = []
    for kind, wanted in kinds:
        parts = [
            {**settings, **group, "params": [p for p in group["params"] if (id(p) in sparse) is wanted]}
            for group in _groups(params)
        ]
        if kept := [part for part in parts if part["params"]]:
            made.append(kind(kept))
    return Pair(*made)


def _groups(params: list[Any]) -> Iterable[dict[str, Any]]:
    """Return parameters as groups: one, where they are none."""
    return params if params and isinstance(params[0], dict) else [{"params": params}]


def _refuse_idle(group: dict[str, Any], matrices: list[Any], others: list[Any]) -> None:
    """Raise ValueError where a group has a setting of an optimizer that trains none of its parameters."""
    for name in group.keys() - {"params", "use_muon"}:
        if name.startswith(PARTNER) and not others:
            raise ValueError(f"the group's {name} has no effect: Muon trains all of its parameters")
        if not name.startswith(PARTNER) and not matrices:
            instead = f"; write {PARTNER}{name}" if name in ADAMW else ""
            raise ValueError(f"the group's {name} has no effect: AdamW trains all of its parameters{instead}")


PAIRED_OPTIMIZERS: dict[str, Callable[..., Any]] = {"Muon": muon, "SparseAdam": sparse_adam}
