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
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from xprun.runner.engine.hoisted import hoist
from xprun.runner.engine.step_function import StepFunction
from xprun.runner.process.log import words_of

LONGEST = 600.0  # seconds that the compiler may take
MOST = 2**20  # steps, seeds or settings of a call

# Of inductor: what takes its time and gives a single block nothing.
SETTINGS = {
    "compile_threads": 1,  # no processes of its own
    "cpp.vec_isa_ok": True,  # what the processor can do is asked, not tried
    "aot_inductor.precompile_headers": False,  # they are used once
    "aot_inductor.enable_line_tables": False,
}

Block = Callable[[list[Tensor]], list[Tensor]]


class CompilerError(Exception):
    """There is no compiled block, for the reason that is said."""


class Compiler:
    """A compiler at work in a fork of this process, which has nothing of it afterwards; it writes a file.

    Raises CompilerError where it cannot be started.
    """

    def __init__(self, function: StepFunction, arguments: list[Tensor], shared: bool, file: Path) -> None:
        if not hasattr(os, "fork"):
            raise CompilerError("this system has no fork")
        self.file, self._said = file, b""
        self._end = time.monotonic() + LONGEST
        reader, writer = os.pipe()
        with warnings.catch_warnings(action="ignore"):  # of threads: those that there are have nothing that it needs
            self._pid = os.fork()
        if self._pid == 0:
            os.close(reader)
            _be_the_compiler(writer, function, arguments, shared, file)
        os.close(writer)
        self._pipe = os.fdopen(reader, "rb", buffering=0)

    def is_at_work(self, *, wait: bool = False) -> bool:
        """Whether it has not ended; `wait` for its end, or that of its time, which ends it.

        Raises CompilerError where it has ended without a file.
        """
        while not self._pipe.closed:
            left = max(0.0, self._end - time.monotonic())
            if not select.select([self._pipe], [], [], left if wait else 0)[0]:
                if left and not wait:
                    return True
                self.stop()
                raise CompilerError(f"the compiler took more than {LONGEST:.0f} s")
            part = self._pipe.read(4096)
            self._said += part
            if not part:
                self._pipe.close()
                _, status = os.waitpid(self._pid, 0)
                if status or not self.file.exists():
                    ended = f"the compiler ended with {os.waitstatus_to_exitcode(status)}"
                    raise CompilerError(self._said.decode(errors="replace") or ended)
        return False

    def stop(self) -> None:
        """End it, unless it has ended."""
        if not self._pipe.closed:
            self._pipe.close()
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


def _be_the_compiler(writer: int, function: StepFunction, arguments: list[Tensor], shared: bool, file: Path) -> None:
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
        compile_block(function, arguments, shared, file)
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(writer, f"{type(error).__name__}: {words_of(error)[:300]}".encode())
    finally:
        os._exit(1)


def compile_block(function: StepFunction, arguments: list[Tensor], shared: bool, file: Path) -> None:
    """Compile a block of steps to a library; the `arguments` are those of a few steps, as `load_block` tells."""
    with TemporaryDirectory(dir=file.parent) as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch  # where the compiler writes what it needs on its way
        import torch._inductor
        from torch._inductor.cpu_vec_isa import VecISA
        from torch.export import export

        examples, dynamic = _sizes(function, arguments, shared)
        loop = _Loop(function, examples, shared)
        # It would compile six programs to see which instructions for bytes and bfloat16 there are; no step has these.
        VecISA.check_build = lambda *_: False  # type: ignore[method-assign]  # this process ends with the block
        with torch._inductor.config.patch(SETTINGS):
            program = export(loop, tuple(examples), dynamic_shapes={"arguments": tuple(dynamic)})
            package = torch._inductor.aoti_compile_and_package(program, package_path=f"{scratch}/block.pt2")
        with zipfile.ZipFile(package) as parts:
            [library] = [part for part in parts.namelist() if part.endswith(".so")]
            file.write_bytes(parts.read(library))


class _Loop(nn.Module):
    """A loop over steps, whose carry are the parameters and the states."""

    def __init__(self, function: StepFunction, arguments: list[Tensor], shared: bool) -> None:
        super().__init__()
        from torch.fx.experimental.proxy_tensor import make_fx

        self.moves, self.families, self.shared = function.moves, len(function.families), shared
        self.any_runs = function.any_runs
        t, x, y, *others = arguments
        parameters, settings, states = self._parts(others)
        now = [one[0] if moves else one for one, moves in zip(settings, self.moves, strict=True)]
        rows = (x, y) if shared else (x[0], y[0])
        trace = make_fx(function.call, tracing_mode="symbolic" if function.any_runs else "real")
        step = trace(t[0], *rows, *parameters, *now, *states)
        self.before, self.step = hoist(step, 3 + len(parameters), self.moves)

    def _parts(self, others: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return the parameters, the settings and the states."""
        rest = others[self.families :]
        return others[: self.families], rest[: len(self.moves)], rest[len(self.moves) :]

    def forward(self, *arguments: Tensor) -> list[Tensor]:
        from torch._higher_order_ops.scan import scan_op  # `scan` would trace the step once more, with dynamo
        from torch.utils._pytree import tree_flatten, tree_unflatten

        t, x, y, *others = arguments
        parameters, settings, states = self._parts(others)
        still = [one for one, moves in zip(settings, self.moves, strict=True) if not moves]
        moving = [one for one, moves in zip(settings, self.moves, strict=True) if moves]
        rows, none = [x, y], list[Tensor]()
        sizes = [parameters[0].shape[0], *(part.shape[1] for part in parameters)]  # of seeds, and of settings
        carry, families = [*parameters, *states], self.families
        of_steps, moves_so = tree_flatten((t, none if self.shared else rows, moving, self.before(t, *settings)))
        # Sizes that may be others in a call are handed to a step: its compiler knows them only by these names.
        of_all, stays_so = tree_flatten((rows if self.shared else none, still, sizes if self.any_runs else none))

        def one(*numbers: Tensor) -> list[Tensor]:
            held, handed = numbers[: len(carry)], numbers[len(carry) :]
            number, rows_now, moving, made = tree_unflatten(handed[: len(of_steps)], moves_so)
            rows_ever, still, named = tree_unflatten(handed[len(of_steps) :], stays_so)
            own = [(moving if moves else still).pop(0) for moves in self.moves]
            result = self.step(number, *rows_now, *rows_ever, *held[:families], *own, *held[families:], *made)
            seeds, *columns = named or sizes
            losses = result[families].view(seeds, sum(columns))
            return [*(part.clone() for part in (*result[:families], *result[families + 1 :])), losses.clone()]

        *carried, losses = scan_op(one, carry, of_steps, tuple(of_all))
        return [losses, *carried]


def _sizes(function: StepFunction, arguments: list[Tensor], shared: bool) -> tuple[list[Tensor], list[Any]]:
    """Return arguments with which a block is traced, and which of their sizes may be others in a call.

    The number of steps may always be; where a block is for any runs, the numbers of seeds and of settings, too. In the
    examples these are numbers that are no other size, since a tracer takes equal sizes for the same.
    """
    from torch.export import Dim

    steps = Dim("steps", min=2, max=MOST)
    rows: dict[int, Any] = {} if shared else {0: steps}
    if not function.any_runs:
        of_settings = [{0: steps} if moves else None for moves in function.moves]
        before, after = [None] * len(function.families), [None] * sum(family.states for family in function.families)
        return arguments, [{0: steps}, rows or None, rows or None, *before, *of_settings, *after]
    seeds, settings = (
        Dim("seeds", min=1, max=MOST),
        [Dim(f"settings_{i}", min=1, max=MOST) for i in range(len(function.families))],
    )
    of_family = [{0: seeds, 1: one} for one in settings]
    whose = [one for one, family in zip(settings, function.families, strict=True) for _ in range(family.settings)]
    handed = [{0: steps, 1: one} if moves else {0: one} for one, moves in zip(whose, function.moves, strict=True)]
    states = [one for one, family in zip(of_family, function.families, strict=True) for _ in range(family.states)]
    rows = {len(rows): seeds, **rows}
    dynamic = [{0: steps}, rows, rows, *of_family, *handed, *states]
    taken = {size for tensor in arguments for size in tensor.shape}
    fresh = (number for number in count(3) if number not in taken)
    example = {dim: next(fresh) for dim in (steps, seeds, *settings)}
    shapes = [
        [example[which[i]] if i in which else size for i, size in enumerate(tensor.shape)]
        for tensor, which in zip(arguments, dynamic, strict=True)
    ]
    return [tensor.new_ones(shape) for tensor, shape in zip(arguments, shapes, strict=True)], dynamic


def load_block(file: Path) -> Block:
    """Return the function of a file: (t [n], x, y, parameters, settings, states) to losses [n], parameters, states.

    The rows x and y are those of a full batch, [S, B, ...], or those of all steps, [n, S, B, ...]. Raises
    CompilerError.
    """
    try:
        from torch._C._aoti import AOTIModelContainerRunnerCpu

        runner = AOTIModelContainerRunnerCpu(str(file), 1)
    except Exception as error:
        raise CompilerError(f"{type(error).__name__}: {words_of(error)[:300]}") from None
    return lambda arguments: list(runner.run(arguments))
