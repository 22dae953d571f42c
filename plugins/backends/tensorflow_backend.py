"""TensorFlow as a backend: what it trains; how it does so is imported when a run needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xprun.plugins.backends.backend_contract import Task, Trainer
from xprun.plugins.backends.operators_only import OPERATORS, other_than_operators
from xprun.plugins.registry import backend
from xprun.plugins.rule_calls import RuleCall

ACTIVATIONS = ("ELU", "GELU", "Mish", "ReLU", "SELU", "Sigmoid", "SiLU", "Softplus", "Softsign", "Tanh")
LOSSES = ("CrossEntropyLoss", "MSELoss", "squared")
# The optimizers of Keras that have the name of one of torch.optim, and what those of its settings that they know are
# called there.
LR = {"lr": "learning_rate"}
OPTIMIZERS = {
    "Adagrad": {**LR, "initial_accumulator_value": "initial_accumulator_value", "eps": "epsilon"},
    "Adam": {**LR, "betas": "beta_1 beta_2", "eps": "epsilon", "amsgrad": "amsgrad"},
    "RMSprop": {**LR, "alpha": "rho", "eps": "epsilon", "momentum": "momentum", "centered": "centered"},
    "SGD": {**LR, "momentum": "momentum", "nesterov": "nesterov"},
}


def refusals(
    *,
    activations: tuple[str, ...],
    loss: str,
    optimizer: str,
    rule: RuleCall | None,
    gradient: str,
    settings: Mapping[str, Any],
    changed: tuple[str, ...],
) -> Iterator[tuple[str, str]]:
    """Yield what of a run TensorFlow does not train here, each with the place in the spec; nothing is imported for it.

    `settings` are those of the optimizer. `changed` are the settings of loss and optimizer that are not at their
    defaults: `loss.reduction`.
    """
    for name in activations:
        if name not in ACTIVATIONS:
            yield "model", f"it trains the activations {', '.join(ACTIVATIONS)}, not {name}"
    if loss not in LOSSES:
        yield "loss", f"it trains {', '.join(LOSSES)}, not {loss}"
    elif gradient == "manual" and (loss != "MSELoss" or "loss.reduction" in changed or activations):
        yield "run.gradient", "its gradient by hand is that of a line's mean squared error only"
    known = {"loss.reduction"}
    if rule:
        known |= {f"optimizer.{name}" for name in settings}
        if other := other_than_operators(rule, dict(settings)):
            yield "optimizer", f"it runs rules of {OPERATORS} only, and {optimizer} is none: {other}"
    elif optimizer in OPTIMIZERS:
        known |= {f"optimizer.{name}" for name in OPTIMIZERS[optimizer]}
    else:
        yield "optimizer", f"it has the optimizers {', '.join(OPTIMIZERS)} and update rules, not {optimizer}"
        return
    for setting in changed:
        if setting not in known:
            yield (
                setting,
                f"{optimizer if setting.startswith('optimizer.') else loss} of TensorFlow has no such setting",
            )


@backend("tensorflow", packages=("tensorflow",), check=refusals)
def tensorflow(task: Task) -> Trainer:
    """TensorFlow: one `tf.function` for each block of steps; `SGD`, `Adam`, `RMSprop` and `Adagrad` are Keras's own.

    Needs `pip install 'xprun[tensorflow]'`.
    """
    from xprun.plugins.backends.tensorflow_training import TensorFlowTrainer

    return TensorFlowTrainer(task)
