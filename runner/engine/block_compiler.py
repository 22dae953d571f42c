"""Compiles a loop over a step function to a file that is loaded in milliseconds, and needs no compiler any more.

It is a `scan` whose carry are the parameters and the states of the optimizers: no Python and no dispatcher in a step.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from xprun.runner.process.log import words_of

LONGEST = 600.0  # seconds that the compiler may take

Block = Callable[[list[Tensor]], list[Tensor]]


class CompilerError(Exception):
    """There is no compiled block, for the reason that is said."""


def compile_in_fork(call: Any, arguments: list[Tensor], shared: bool, file: Path) -> None:
    """Compile to a file in a fork of this process, which has nothing of the compiler afterwards.

    Raises CompilerError.
    """
    if not hasattr(os, "fork"):
        raise CompilerError("this system has no fork")
    reader, writer = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # of threads: those that there are have nothing that it needs
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _be_the_compiler(writer, call, arguments, shared, file)
    os.close(writer)
    said = _words_until(reader, pid, time.monotonic() + LONGEST)
    _, status = os.waitpid(pid, 0)
    if status or not file.exists():
        raise CompilerError(said or f"the compiler ended with {os.waitstatus_to_exitcode(status)}")


def _be_the_compiler(writer: int, call: Any, arguments: list[Tensor], shared: bool, file: Path) -> None:
    """Compile, say in the pipe what went wrong, and end this process."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        sys.stdin = sys.stdout = sys.stderr = Path(os.devnull).open("r+", encoding="utf-8")  # noqa: SIM115
        warnings.simplefilter("ignore")  # torch warns of parts of its own
        torch.set_num_threads(1)  # the threads of OpenMP are not there in a fork, which would wait for them for ever
        compile_block(call, arguments, shared, file)
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(writer, f"{type(error).__name__}: {words_of(error)[:300]}".encode())
    finally:
        os._exit(1)


def _words_until(reader: int, pid: int, end: float) -> str:
    """Return what the compiler says before it ends; one that does not is killed."""
    said = b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while True:
            if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
                os.kill(pid, signal.SIGKILL)
                return f"the compiler took more than {LONGEST:.0f} s"
            part = pipe.read(4096)
            if not part:
                return said.decode(errors="replace")
            said += part


def compile_block(call: Any, arguments: list[Tensor], shared: bool, file: Path) -> None:
    """Compile a block of steps to a library; the `arguments` are those of a few steps, as `load_block` tells."""
    with TemporaryDirectory(dir=file.parent) as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch  # where the compiler writes what it needs on its way
        import torch._inductor
        from torch.export import Dim, export
        from torch.fx.experimental.proxy_tensor import make_fx

        flat, t, x, y, *others = arguments
        first = (x, y) if shared else (x[0], y[0])
        step = make_fx(call)(flat, t[0], *first, *others)
        carried = len(step(flat, t[0], *first, *others)) - 1  # parameters and states
        several = Dim("several", min=2, max=2**20)
        rows = None if shared else {0: several}
        dynamic = {"arguments": (None, {0: several}, rows, rows, *(None for _ in others))}
        with torch._inductor.config.patch(compile_threads=1):  # no processes of its own
            program = export(_Loop(step, carried, shared), tuple(arguments), dynamic_shapes=dynamic)
            package = torch._inductor.aoti_compile_and_package(program, package_path=f"{scratch}/block.pt2")
        with zipfile.ZipFile(package) as parts:
            [library] = [part for part in parts.namelist() if part.endswith(".so")]
            file.write_bytes(parts.read(library))


class _Loop(nn.Module):
    """A loop over steps; of the `others` the settings come first, and the last are states."""

    def __init__(self, step: Any, carried: int, shared: bool) -> None:
        super().__init__()
        self.step, self.carried, self.shared = step, carried, shared

    def forward(self, *arguments: Tensor) -> list[Tensor]:
        from torch._higher_order_ops.scan import scan

        flat, t, x, y, *others = arguments
        settings, states = others[: len(others) - self.carried + 1], others[len(others) - self.carried + 1 :]

        def one(carry: Sequence[Tensor], now: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
            flat, *states = carry
            rows = (x, y) if self.shared else now[1:]
            flat, losses, *states = self.step(flat, now[0], *rows, *settings, *states)
            return tuple(part.clone() for part in (flat, *states)), losses.clone()

        (flat, *states), losses = scan(one, (flat, *states), (t,) if self.shared else (t, x, y), dim=0)
        return [flat, losses, *states]


def load_block(file: Path) -> Block:
    """Return the function of a file: (parameters, t [n], rows, settings, states) to parameters, losses [n], states.

    The rows are x [S, B, ...] and y of a full batch, or those of all steps, [n, S, B, ...]. Raises CompilerError.
    """
    try:
        from torch._C._aoti import AOTIModelContainerRunnerCpu

        runner = AOTIModelContainerRunnerCpu(str(file), 1)
    except Exception as error:
        raise CompilerError(f"{type(error).__name__}: {words_of(error)[:300]}") from None
    return lambda arguments: list(runner.run(arguments))
