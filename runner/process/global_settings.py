"""What torch, numpy and Python keep for a whole process, each with how it is read and put back.

A component that changes one of these and leaves it so changes what other runs of the process compute.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as nn_module
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

TINIEST = 5e-324  # a denormal number
ONE, TEN = 1.0, 10.0
FE_TONEAREST = 0  # of <fenv.h>, on all machines that torch runs on
# Flags of torch that have a function `_get_NAME` and a `_set_NAME` in torch._C.
FLAGS = """
    blas_preferred_backend cpu_allow_fp16_reduced_precision_reduction cublas_allow_bf16_reduced_precision_reduction
    cublas_allow_fp16_accumulation cublas_allow_fp16_reduced_precision_reduction cudnn_benchmark cudnn_deterministic
    cudnn_enabled float32_matmul_precision linalg_preferred_backend mkldnn_deterministic mkldnn_enabled nnpack_enabled
    qengine
"""
ATTENTION = ("cudnn", "flash", "math", "mem_efficient")  # kinds of kernels, each of which may be allowed or not
HOOKS = ("backward_hooks", "backward_pre_hooks", "forward_hooks", "forward_pre_hooks")
REGISTRATIONS = ("buffer", "module", "parameter")
COMPUTING = ("CPU", "CUDA", "AutogradCPU", "AutogradCUDA")  # keys of kernels that compute numbers
LIMITS = ("AS", "CPU", "DATA", "FSIZE", "NOFILE", "STACK")


def always(before: Any, after: Any) -> bool:
    """Return that two values which differ make a difference."""
    return True


@dataclass(frozen=True)
class GlobalSetting:
    """Something that a process has one of. `write` puts back what `read` has returned; None: that cannot be done.

    `counts`: it may change the numbers of other runs; one that does not is put back without a word.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object] | None
    counts: bool = True
    matters: Callable[[Any, Any], bool] = always


def global_settings() -> tuple[GlobalSetting, ...]:
    """Return all settings, in the order in which they are put back."""
    return (*_of_torch(), *_of_its_backends(), *_hooks(), *_of_numbers(), *_of_the_process())


def _of_torch() -> Iterator[GlobalSetting]:
    yield GlobalSetting("torch.get_default_device()", torch.get_default_device, _set_default_device)
    yield GlobalSetting("torch.get_default_dtype()", torch.get_default_dtype, torch.set_default_dtype)
    yield GlobalSetting("torch.is_inference_mode_enabled()", torch.is_inference_mode_enabled, None)
    yield GlobalSetting("torch.is_grad_enabled()", torch.is_grad_enabled, torch.set_grad_enabled)
    yield GlobalSetting("torch.get_num_threads()", torch.get_num_threads, torch.set_num_threads)
    yield GlobalSetting("torch.is_anomaly_enabled()", _anomaly, lambda v: torch.autograd.set_detect_anomaly(*v))
    yield GlobalSetting("torch.are_deterministic_algorithms_enabled()", _deterministic, _set_deterministic)
    for device in ("cpu", "cuda"):
        name = f"torch.is_autocast_enabled({device!r})"
        yield GlobalSetting(name, partial(_autocast, device), partial(_set_autocast, device))
    yield GlobalSetting("the stack of torch function modes", _function_modes, _leave_function_modes)
    yield GlobalSetting("the stack of torch dispatch modes", _dispatch_modes, None)
    yield GlobalSetting("the hooks on saved tensors", _saved_tensors_hooks, None)
    yield GlobalSetting("the kernels of torch.library", _kernels, None, matters=_are_of_torch)


def _of_its_backends() -> Iterator[GlobalSetting]:
    pairs = [(f"torch._C._get_{name}()", f"_get_{name}", f"_set_{name}") for name in FLAGS.split()]
    for kind in ATTENTION:
        pairs.append((f"torch.backends.cuda.{kind}_sdp_enabled()", f"_get_{kind}_sdp_enabled", f"_set_sdp_use_{kind}"))
    for name, getter, setter in pairs:
        read, write = getattr(torch._C, getter, None), getattr(torch._C, setter, None)
        if read and write:
            yield GlobalSetting(name, read, write)
    mha, einsum = torch.backends.mha, torch.backends.opt_einsum
    yield GlobalSetting("torch.backends.mha.get_fastpath_enabled()", mha.get_fastpath_enabled, mha.set_fastpath_enabled)
    use_einsum = partial(setattr, einsum, "enabled")
    yield GlobalSetting("torch.backends.opt_einsum.enabled", lambda: einsum.enabled, use_einsum)


def _hooks() -> Iterator[GlobalSetting]:
    names = [f"_global_{name}" for name in HOOKS] + [f"_global_{name}_registration_hooks" for name in REGISTRATIONS]
    tables = {f"torch.nn.modules.module.{name}": getattr(nn_module, name, None) for name in names}
    optimizers: Any = sys.modules["torch.optim.optimizer"]
    for name in ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks"):
        tables[f"torch.optim.optimizer.{name}"] = getattr(optimizers, name, None)
    for name, table in tables.items():
        if table is not None:
            yield GlobalSetting(name, partial(dict, table), partial(_fill, table))


def _of_numbers() -> Iterator[GlobalSetting]:
    flushes = GlobalSetting("whether denormal numbers are flushed to zero", _flushes, torch.set_flush_denormal)
    rounding = GlobalSetting("the rounding of floating-point numbers", _rounding, _round_to_nearest)
    yield from (rounding, flushes)
    yield GlobalSetting("numpy.geterr()", np.geterr, lambda v: np.seterr(**v), counts=False)
    yield GlobalSetting("warnings.filters", lambda: [*warnings.filters], _set_filters, counts=False)


def _of_the_process() -> Iterator[GlobalSetting]:
    quiet = partial(GlobalSetting, counts=False)
    yield quiet("os.environ", lambda: dict(os.environ), partial(_fill, os.environ))
    yield quiet("os.getcwd()", _folder, os.chdir)
    yield quiet("sys.path", lambda: [*sys.path], lambda v: sys.path.__setitem__(slice(None), v))
    yield quiet("gc.isenabled()", gc.isenabled, lambda v: gc.enable() if v else gc.disable())
    yield quiet("sys.getrecursionlimit()", sys.getrecursionlimit, sys.setrecursionlimit)
    yield quiet("sys.getswitchinterval()", sys.getswitchinterval, sys.setswitchinterval)
    yield quiet("sys.gettrace()", sys.gettrace, sys.settrace)
    yield quiet("sys.getprofile()", sys.getprofile, sys.setprofile)
    if os.name == "posix":
        import resource

        for number in (signal.SIGALRM, signal.SIGFPE, signal.SIGXCPU):
            handled = partial(signal.getsignal, number), partial(_handle, number)
            yield quiet(f"signal.getsignal({number.name})", *handled)
        yield quiet("signal.getitimer()", lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0, _stop_timer)
        for name in LIMITS:
            limit = getattr(resource, f"RLIMIT_{name}")
            both = partial(resource.getrlimit, limit), partial(resource.setrlimit, limit)
            yield quiet(f"resource.RLIMIT_{name}", *both)
        priority = partial(os.getpriority, os.PRIO_PROCESS, 0), partial(os.setpriority, os.PRIO_PROCESS, 0)
        yield quiet("os.getpriority()", *priority)
    if hasattr(os, "sched_getaffinity"):
        yield quiet("os.sched_getaffinity(0)", partial(os.sched_getaffinity, 0), partial(os.sched_setaffinity, 0))


def _set_default_device(device: Any) -> None:
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _autocast(device: str) -> tuple[bool, Any]:
    return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)


def _set_autocast(device: str, value: tuple[bool, Any]) -> None:
    torch.set_autocast_enabled(device, value[0])
    torch.set_autocast_dtype(device, value[1])


def _function_modes() -> list[Any]:
    return [mode for mode in _get_current_function_mode_stack() if not isinstance(mode, DeviceContext)]


def _leave_function_modes(before: list[Any]) -> None:
    """Leave those that were entered since; where others were left, nothing can be done."""
    while len(_get_current_function_mode_stack()) > len(before):
        torch._C._pop_torch_function_stack()


def _dispatch_modes() -> list[int]:
    return [id(mode) for mode in _get_current_dispatch_mode_stack()]


def _saved_tensors_hooks() -> int:
    return id(torch._C._autograd._top_saved_tensors_default_hooks(True))


def _kernels() -> frozenset[str]:
    """Return the names of registered kernels; a set of as many is the one before, since its names are seldom read.

    A worker pays for each page of memory that it touches as the first since its fork.
    """
    global _known_kernels
    if len(_known_kernels) != len(torch.library._impls):
        _known_kernels = frozenset(torch.library._impls)
    return _known_kernels


_known_kernels: frozenset[str] = frozenset()


def _are_of_torch(before: frozenset[str], after: frozenset[str]) -> bool:
    """Whether one of torch's own operators has another kernel; parts of torch that are imported later add others."""
    added = (key.split("/") for key in after - before)
    return any(parts[0] == "aten" and parts[-1] in COMPUTING for parts in added)


def _fill(table: MutableMapping[Any, Any], content: dict[Any, Any]) -> None:
    table.clear()
    table.update(content)


def _flushes() -> bool:
    return TINIEST * ONE == 0.0


def _rounding() -> tuple[float, ...]:
    """Return what tells the four ways to round from each other."""
    return ONE / TEN, -ONE / TEN, (ONE + ONE + ONE) / TEN


def _round_to_nearest(value: object) -> None:
    ctypes.CDLL(None).fesetround(FE_TONEAREST)


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _folder() -> str:
    with contextlib.suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - as it is
    return os.sep


def _handle(number: int, handler: Any) -> None:
    with contextlib.suppress(TypeError, ValueError):  # of C, or this is not the main thread
        signal.signal(number, handler)


def _stop_timer(value: object) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
