"""How a step changes TensorFlow's variables: by an update rule of xprun's, or by an optimizer of Keras."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from xprun.plugins.backends.backend_contract import Task
from xprun.plugins.backends.tensorflow_backend import OPTIMIZERS
from xprun.plugins.backends.tensorflow_import import tf

Variables = Mapping[str, Any]
Operation = Callable[..., Any]


class Update(Protocol):
    """What moves variables by their gradients."""

    def apply(self, t: Any, gradients: dict[str, Any], rows: Any, loss: Any) -> None:
        """Take the step `t` by the gradients of a batch of so many rows with that loss."""

    def states(self) -> Variables:
        """Return what the next step depends on, by name."""


class RuleUpdate:
    """An update rule, as it is written, for each variable by itself."""

    def __init__(self, task: Task, variables: Variables) -> None:
        assert task.rule is not None
        self.rule, self.settings, self.steps, self.variables = task.rule, dict(task.settings), task.steps, variables
        self.kept = {
            name: tuple(tf.Variable(tf.zeros_like(w)) for _ in task.rule.states) for name, w in variables.items()
        }

    def apply(self, t: Any, gradients: dict[str, Any], rows: Any, loss: Any) -> None:
        for name, variable in self.variables.items():
            w, states = tf.identity(variable), tuple(map(tf.identity, self.kept[name]))
            others = {"T": self.steps, "loss": loss, "name": name}
            g, step, n = gradients[name], Number(t), Number(rows)
            new, new_states = self.rule.update(w, g, states, step, n, self.settings, **others)
            for changed, value in zip((variable, *self.kept[name]), (new, *new_states), strict=True):
                changed.assign(value)

    def states(self) -> Variables:
        return {f"{name}/{i}": state for name, states in self.kept.items() for i, state in enumerate(states)}


class Number:
    """The number of a step, or of its rows: a double, rounded where it meets a tensor, as Python's numbers are."""

    def __init__(self, value: Any) -> None:
        self.value = tf.cast(value, tf.float64)

    def _with(self, other: Any, function: Operation) -> Any:
        if tf.is_tensor(other):
            return function(tf.cast(self.value, other.dtype), other)
        return Number(function(self.value, other.value if isinstance(other, Number) else other))

    def _after(self, other: Any, function: Operation) -> Any:
        return self._with(other, lambda own, first: function(first, own))

    def __neg__(self) -> Number:
        return Number(-self.value)

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return Number(abs(self.value))


def _forward(function: Operation) -> Operation:
    return lambda self, other: self._with(other, function)


def _reflected(function: Operation) -> Operation:
    return lambda self, other: self._after(other, function)


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Number, f"__{_name}__", _forward(getattr(operator, _name)))
    setattr(Number, f"__r{_name}__", _reflected(getattr(operator, _name)))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Number, f"__{_name}__", _forward(getattr(operator, _name)))


class KerasUpdate:
    """An optimizer of Keras with the settings of that of torch.optim which has its name."""

    def __init__(self, task: Task, variables: Variables) -> None:
        self.variables, before = variables, tf.keras.config.floatx()
        tf.keras.config.set_floatx(task.dtype)  # the precision in which it keeps its learning rate
        try:
            self.optimizer = getattr(tf.keras.optimizers, task.optimizer)(**_in_keras(task))
            self.optimizer.build(list(variables.values()))
        finally:
            tf.keras.config.set_floatx(before)

    def apply(self, t: Any, gradients: dict[str, Any], rows: Any, loss: Any) -> None:
        self.optimizer.apply_gradients((gradients[name], variable) for name, variable in self.variables.items())

    def states(self) -> Variables:
        return {str(i): variable for i, variable in enumerate(self.optimizer.variables)}


def _in_keras(task: Task) -> dict[str, Any]:
    """Return the settings of an optimizer as Keras calls them, of a pair two.

    In double precision they are numbers of numpy, since `tf.cast` rounds those of Python to single precision first.
    """
    found: dict[str, Any] = {}
    for ours, theirs in OPTIMIZERS[task.optimizer].items():
        value = task.settings[ours]
        found |= zip(theirs.split(), value if isinstance(value, tuple) else (value,), strict=True)
    if task.dtype == "float64":
        return {name: np.float64(value) if type(value) is float else value for name, value in found.items()}
    return found
