"""A plugin whose components do, once they are at work, what changes the numbers of others; `how` says what."""

from __future__ import annotations

import builtins
import ctypes
import gc
import logging
import math
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from xprun.plugins import loss, optimizer

BEHAVIOURS: dict[str, Callable[[], Any]] = {}
COUNTED = set[str]()  # those that change what others compute with: whoever does it fails
LEFT: list[Any] = []  # what lives on, as a library keeps it


def changes_numbers(function: Callable[[], Any]) -> Callable[[], Any]:
    COUNTED.add(function.__name__)
    return harmful(function)


def harmful(function: Callable[[], Any]) -> Callable[[], Any]:
    BEHAVIOURS[function.__name__] = function
    return function


def setting(name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Add a behaviour that calls a function of torch."""
    BEHAVIOURS[name] = lambda: function(*arguments, **named)
    COUNTED.add(name)


def patch(name: str, owner: Any, attribute: str, make: Callable[[Any], Any]) -> None:
    """Add a behaviour that replaces an attribute by what `make` makes of it."""
    BEHAVIOURS[name] = lambda: setattr(owner, attribute, make(getattr(owner, attribute)))
    COUNTED.add(name)


def twice(function: Any) -> Any:
    """Return a function that returns twice as much."""
    return lambda *args, **kwargs: function(*args, **kwargs) * 2


def nothing(function: Any) -> Any:
    """Return a function that does nothing."""
    return lambda *args, **kwargs: None


def seven(function: Any) -> Any:
    """Return a function that always draws the same."""
    return lambda *args, **kwargs: function(*args, **kwargs) * 0 + 7


# --- settings of torch

setting("default_dtype", torch.set_default_dtype, torch.float16)
setting("default_device", torch.set_default_device, "meta")
setting("threads", torch.set_num_threads, 3)
setting("denormals", torch.set_flush_denormal, False)
setting("anomalies", torch.autograd.set_detect_anomaly, True)
setting("matmul_precision", torch.set_float32_matmul_precision, "medium")
setting("deterministic", torch.use_deterministic_algorithms, True)
setting("fastpath", torch.backends.mha.set_fastpath_enabled, True)
setting("attention", torch._C._set_sdp_use_math, False)
setting("mkldnn", torch._C._set_mkldnn_enabled, False)
setting("autocast", torch.set_autocast_enabled, "cpu", True)


@changes_numbers
def inference_mode() -> None:
    LEFT.append(torch.inference_mode())
    LEFT[-1].__enter__()


class Twice(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        return result * 2 if function in (torch.matmul, torch.bmm, functional.linear) else result


class Nothing(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


@changes_numbers
def function_mode() -> None:
    Twice().__enter__()


@changes_numbers
def dispatch_mode() -> None:
    Nothing().__enter__()


@changes_numbers
def saved_tensors() -> None:
    LEFT.append(torch.autograd.graph.saved_tensors_hooks(lambda x: x * 0, lambda x: x))
    LEFT[-1].__enter__()


@changes_numbers
def forward_hook() -> None:
    nn.modules.module.register_module_forward_hook(lambda module, inputs, output: output * 2)


@changes_numbers
def registration_hook() -> None:
    nn.modules.module.register_module_parameter_registration_hook(lambda module, name, p: nn.Parameter(p * 0))


@changes_numbers
def optimizer_hook() -> None:
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    register_optimizer_step_pre_hook(lambda *args: None)


@changes_numbers
def kernel() -> None:
    LEFT.append(torch.library.Library("aten", "IMPL"))
    with warnings.catch_warnings(action="ignore"):
        LEFT[-1].impl("tanh", torch.zeros_like, "CPU")


# --- functions that are replaced

patch("reset_parameters", nn.Linear, "reset_parameters", nothing)
patch("linear_forward", nn.Linear, "forward", twice)
patch("module_call", nn.Module, "__call__", twice)
patch("linear", functional, "linear", twice)
patch("mse_loss", functional, "mse_loss", twice)
patch("cross_entropy", functional, "cross_entropy", twice)
patch("randperm", torch, "randperm", seven)
patch("matmul", torch, "matmul", twice)
patch("bmm", torch, "bmm", twice)
patch("tensor_matmul", torch.Tensor, "__matmul__", twice)
patch("tensor_mean", torch.Tensor, "mean", twice)
patch("tensor_backward", torch.Tensor, "backward", nothing)
patch("manual_seed", torch, "manual_seed", nothing)
patch("randn", torch, "randn", seven)
patch("kaiming", nn.init, "kaiming_uniform_", nothing)
patch("uniform", nn.init, "uniform_", nothing)
patch("sgd", torch.optim.SGD, "step", nothing)
patch("square_root", math, "sqrt", twice)
patch("python_sum", builtins, "sum", twice)
patch("generators", np.random, "default_rng", lambda function: lambda *args: function(0))


@changes_numbers
def other_code() -> None:
    nn.Linear.reset_parameters.__code__ = (lambda self: None).__code__


@changes_numbers
def other_defaults() -> None:
    nn.init.kaiming_uniform_.__defaults__ = (1.0, "fan_out", "relu", None)


@changes_numbers
def inside_xprun() -> None:
    from xprun.runner.engine.loop import Training

    Training.step = twice(Training.step)  # type: ignore[method-assign]


@changes_numbers
def other_module() -> None:
    sys.modules["torch.nn.functional"] = type(sys)("torch.nn.functional")


@changes_numbers
def rounding() -> None:
    ctypes.CDLL("libm.so.6").fesetround(0x800)  # upwards, on x86


# --- the rest of a process

BEHAVIOURS["no_gradients"] = lambda: torch.set_grad_enabled(False)  # steps are taken with a mode of their own


@harmful
def registry() -> None:
    from xprun.plugins.registry import REGISTRY

    REGISTRY._components["loss"].clear()


@harmful
def seeds() -> None:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


@harmful
def draws() -> None:
    torch.rand(7)
    random.random()
    np.random.random()


@harmful
def environment() -> None:
    os.environ.clear()
    os.chdir("/")
    sys.path.clear()
    sys.stdout.close()


@harmful
def strict_warnings() -> None:
    warnings.simplefilter("error")
    np.seterr(all="raise")


@harmful
def recursion() -> None:
    sys.setrecursionlimit(len(LEFT) + 150)


@harmful
def no_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**33, resource.getrlimit(resource.RLIMIT_AS)[1]))


@harmful
def timer() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)


@harmful
def tracer() -> None:
    sys.settrace(lambda *args: 1 / 0)


@harmful
def no_collection() -> None:
    gc.disable()
    logging.disable()
    socket.setdefaulttimeout(0.001)


@harmful
def polite() -> None:
    os.nice(5)


def spin() -> None:
    while True:
        pass


@harmful
def busy_threads() -> None:
    for _ in range(3):
        threading.Thread(target=spin, daemon=True).start()


@harmful
def busy_child() -> None:
    if os.fork() == 0:
        spin()


@harmful
def daemon() -> None:
    subprocess.run([sys.executable, "-c", "import os, time; os.fork() or os.setsid() or os.fork() or time.sleep(60)"])


@harmful
def exits() -> None:
    os._exit(0)


@harmful
def crashes() -> None:
    ctypes.string_at(1)


@harmful
def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


assert len(BEHAVIOURS) >= 60


@optimizer("misbehaving")
def misbehaving(w: Any, g: Any, t: int, *, lr: float = 0.1, how: str = "") -> Any:
    """Gradient descent that misbehaves in its third step."""
    if t == 3:
        BEHAVIOURS[how]()
    return w - lr * g


_calls = count(1)


@loss("misbehaving_loss")
def misbehaving_loss(prediction: Any, target: Any, *, how: str = "") -> Any:
    """The mean squared error; it misbehaves in its third call."""
    if next(_calls) == 3:
        BEHAVIOURS[how]()
    return ((prediction - target) ** 2).mean()
