"""Compiled blocks in the user's cache: found by what they compute and what for, bounded, written at once or not."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from xprun.plugins.cache_folder import cache_folder
from xprun.runner.engine.block_compiler import Block, Compiler, CompilerError, load_block
from xprun.runner.engine.step_function import StepFunction

MOST_FILES = 200
MAKERS = ("step_function.py", "per_run.py", "hoisted.py", "block_compiler.py")
A_DAY = 86400.0


# Whether to wait for a block that is not kept, have it compiled beside the training, or do without.
How = Literal["wait", "beside", "kept"]


def block_for(function: StepFunction, arguments: list[Tensor], *, shared: bool, how: How) -> Block | None:
    """Return the block of a step function for rows of these shapes: kept from an earlier time, or compiled.

    None where it is not there yet, or is not to be. `arguments` are those of a few steps, as `load_block` tells;
    `shared`: whether these see the same rows. Raises CompilerError.
    """
    file = _file_of(function, arguments, shared)
    if (block := _kept(file)) or how == "kept":
        return block
    try:
        if file not in _compilers:
            _compilers[file] = _start(function, arguments, shared, file)
        if _compilers[file].is_at_work(wait=how == "wait"):
            return None
        _compilers[file].file.replace(file)
        _tidy(file.parent)
    except OSError as error:
        raise CompilerError(f"the cache {file.parent}: {error.strerror or error}") from error
    except CompilerError:
        stop_compilers()
        raise
    del _compilers[file]
    return load_block(file)


def stop_compilers() -> None:
    """End the compilers of blocks that nobody waits for any more."""
    while _compilers:
        _, compiler = _compilers.popitem()
        compiler.stop()
        with suppress(OSError):
            compiler.file.unlink(missing_ok=True)


_compilers: dict[Path, Compiler] = {}  # at work in this process, by the file that is to be


def _kept(file: Path) -> Block | None:
    try:
        block = load_block(file) if file.exists() else None
        if block:
            file.touch()  # the newest are kept longest
        return block
    except (CompilerError, OSError):  # it is damaged, or another process has just taken it away
        file.unlink(missing_ok=True)
        return None


def _start(function: StepFunction, arguments: list[Tensor], shared: bool, file: Path) -> Compiler:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Compiler(function, arguments, shared, file.with_name(f"{file.stem}.making{os.getpid()}.so"))


def _tidy(folder: Path) -> None:
    """Take away the oldest files where there are too many, and what processes left that were killed."""
    with suppress(OSError):
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        making = [file for file in files if ".making" in file.name or file.is_dir()]
        killed = [file for file in making if file.stat().st_mtime < time.time() - A_DAY]
        for file in {*files[MOST_FILES:], *killed}:
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)


def _file_of(function: StepFunction, arguments: list[Tensor], shared: bool) -> Path:
    """Return where a block is kept, by what it computes, for rows of which shapes, on what machine, with which code."""
    any_size = (not shared) + function.any_runs  # the first sizes, of steps and of seeds
    rows = [f"{list(part.shape[any_size:])} {part.dtype}" for part in arguments[1:3]]
    told = "\n".join([function.identity, str(shared), *rows, *_machine(), *_sources()])
    return cache_folder() / "blocks" / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.so"


@cache
def _machine() -> list[str]:
    """Return what compiled code depends on: torch, and the instructions of the processor."""
    told = [torch.__version__, *_system(), torch.backends.cpu.get_cpu_capability()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        told += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return told


def _system() -> list[str]:
    """Return the system, its release and the kind of machine; `platform.platform` starts a process to learn more."""
    return [platform.system(), platform.release(), platform.machine(), *platform.libc_ver()]


@cache
def _sources() -> list[str]:
    """Return digests of the code that makes blocks."""
    folder = Path(__file__).parent
    files = [*(folder / name for name in MAKERS), *sorted((folder / "programs").glob("*.py"))]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
