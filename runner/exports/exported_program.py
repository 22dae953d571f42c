"""Records a model by `torch.export`, for any number of rows where it allows that."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

from torch import nn
from torch.export import Dim, ExportedProgram, export
from torch.utils._pytree import tree_map
from xprun.plugins.tensor_groups import Tensors, arguments_of


def export_program(module: nn.Module, inputs: Tensors) -> ExportedProgram:
    """Return the program of a module in evaluation mode, recorded on inputs [N, ...] of at least two rows."""
    args, kwargs = arguments_of(inputs)
    with quiet():
        return export(module, args, kwargs, dynamic_shapes=any_rows(args, kwargs))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what torch prints while it records a model: warnings of its own calls, and half a program."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(level)


def any_rows(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what torch is told of the sizes of inputs: the first axis of each may have any."""
    rows = tree_map(lambda tensor: {0: Dim.AUTO}, (args, kwargs))
    return rows[0] if not kwargs else rows[1]
