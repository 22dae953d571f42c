"""One run in TensorFlow: a block of steps is a loop in one `tf.function`, which changes its variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xprun.plugins.backends.backend_contract import Arrays, Task
from xprun.plugins.backends.tensorflow_import import tf
from xprun.plugins.backends.tensorflow_updates import KerasUpdate, RuleUpdate, Update

ACTIVATIONS = {
    "ELU": tf.nn.elu,
    "GELU": tf.nn.gelu,
    "Mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
    "ReLU": tf.nn.relu,
    "SELU": tf.nn.selu,
    "Sigmoid": tf.sigmoid,
    "SiLU": tf.nn.silu,
    "Softplus": tf.math.softplus,
    "Softsign": tf.nn.softsign,
    "Tanh": tf.tanh,
}
# Each loss of outputs [B, outputs] and targets, before it is reduced.
LOSSES = {
    "CrossEntropyLoss": lambda z, y: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=z),
    "MSELoss": lambda z, y: (z - y) ** 2,
    "squared": lambda z, y: (z - y) ** 2 / 2,
}


class TensorFlowTrainer:
    """See `Trainer`."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.variables = {name: tf.Variable(value, name=name) for name, value in task.parameters.items()}
        self.updating: Update = RuleUpdate(task, self.variables) if task.rule else KerasUpdate(task, self.variables)
        self.gradient = self._by_hand if task.gradient == "manual" else self._by_tape
        self._block = tf.function(self._steps, autograph=False, reduce_retracing=True)
        self._one_update = tf.function(self.updating.apply, autograph=False, reduce_retracing=True)

    def take(self, first: int, count: int, inputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
        numbers = tf.constant(first, tf.int64), tf.constant(count, tf.int64)
        losses: NDArray[Any] = self._block(*numbers, *map(tf.constant, (inputs, targets)), len(inputs) == 1).numpy()
        return losses

    def _steps(self, first: Any, count: Any, inputs: Any, targets: Any, shared: bool) -> Any:
        """Take the steps of a block; return their losses [count]."""

        def step(i: Any, losses: Any) -> Any:
            at = 0 if shared else i
            loss = self._step(first + i, inputs[at], targets[at])
            return i + 1, losses.write(tf.cast(i, tf.int32), loss)

        losses = tf.TensorArray(self.task.dtype, size=tf.cast(count, tf.int32), element_shape=())
        start = tf.constant(0, tf.int64), losses
        return tf.while_loop(lambda i, _: i < count, step, start, parallel_iterations=1)[1].stack()

    def _step(self, t: Any, x: Any, y: Any) -> Any:
        loss, gradients = self.gradient(x, y)
        self.updating.apply(t, gradients, tf.shape(x)[0], loss)
        return loss

    def _by_tape(self, x: Any, y: Any) -> tuple[Any, dict[str, Any]]:
        with tf.GradientTape() as tape:
            loss = self._loss(self._outputs(x), y)
        return loss, tape.gradient(loss, self.variables)

    def _by_hand(self, x: Any, y: Any) -> tuple[Any, dict[str, Any]]:
        """Return the mean squared error of a line and its derivatives: 2 (x w + b - y) times x, and times 1."""
        [layer] = self.task.layers
        outputs = self._outputs(x)
        dloss = 2 * (outputs - y) / tf.cast(tf.size(y), y.dtype)
        weight = self.variables[layer.weight]
        gradients = {layer.weight: tf.reshape(tf.matmul(dloss, x, transpose_a=True), weight.shape)}
        if layer.bias:
            gradients[layer.bias] = tf.reduce_sum(dloss, 0)
        return self._loss(outputs, y), gradients

    def _outputs(self, x: Any) -> Any:
        """Return the outputs [B, outputs] for rows [B, features]."""
        for layer in self.task.layers:
            weight = self.variables[layer.weight]
            weight = weight if len(weight.shape) == 2 else weight[None]
            x = tf.matmul(x, weight, transpose_b=True)
            x = x + self.variables[layer.bias] if layer.bias else x
            x = ACTIVATIONS[layer.activation](x) if layer.activation else x
        return x

    def _loss(self, outputs: Any, targets: Any) -> Any:
        each = LOSSES[self.task.loss](outputs, targets)
        return tf.reduce_sum(each) if self.task.reduction == "sum" else tf.reduce_mean(each)

    def update(self, t: int, gradients: Mapping[str, NDArray[Any]]) -> None:
        given = {name: tf.constant(gradients[name]) for name in self.variables}
        self._one_update(tf.constant(t, tf.int64), given, tf.constant(1), tf.ones((), self.task.dtype))

    def parameters(self) -> Arrays:
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def state(self) -> Arrays:
        return {name: np.asarray(variable.numpy()) for name, variable in self.updating.states().items()}

    def restore(self, parameters: Arrays, state: Arrays) -> None:
        states = self.updating.states()
        for name, variable in self.variables.items():
            variable.assign(parameters[name])
        for name, variable in states.items():
            variable.assign(state[name])
