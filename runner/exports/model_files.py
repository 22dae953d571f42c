"""Writes the model of a saved run as a file for other programs, once what is written gives the same outputs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from xprun.errors import Error
from xprun.plugins.python_packages import PackageError, find_package
from xprun.plugins.tensor_groups import Tensors, arguments_of, call, count_rows, first_rows, map_parts, tensors_in
from xprun.runner.exports import Format
from xprun.runner.exports.description import describe_model
from xprun.runner.exports.exported_program import any_rows, export_program, quiet
from xprun.runner.exports.python_source import imports_of, model_class, sources_of
from xprun.runner.exports.saved_model import SavedModel
from xprun.runner.process.log import words_of
from xprun.runner.results.atomic_files import replace_bytes, replace_text, writing

ROWS = 16  # on which the outputs are compared
RELATIVE, ABSOLUTE = 1e-3, 1e-5  # by which outputs may differ: other kernels round otherwise


class ExportError(Error):
    """The model of a run cannot be written in a format."""

    exit_code = 1


@dataclass(frozen=True)
class Exported:
    """The files of an exported model, what it takes and gives in words by subject, and what was compared."""

    paths: list[Path]
    told: dict[str, str]
    check: str


def export_model(saved: SavedModel, kind: Format, path: Path) -> Exported:
    """Write the model of a run to a path, and return what was written.

    Raises ExportError where that cannot be done, or where what it would be gives other outputs than the model,
    PackageError where a package is missing.
    """
    told = describe_model(saved)
    write = {"module": _write_module, "torch_export": _write_program, "onnx": _write_onnx}[kind]
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        paths, check = write(saved, path, told)
    return Exported(paths, told, check)


def _write_module(saved: SavedModel, path: Path, told: dict[str, str]) -> tuple[list[Path], str]:
    example, weights = _two_rows(saved), path.with_suffix(".pt")
    why = ""
    for source_of in sources_of(saved.module, example):
        try:
            source = source_of()
            module = model_class(source)()
            state = {name: tensor for name, tensor in saved.module.state_dict().items() if name in module.state_dict()}
            module.to(saved.work.dtype).load_state_dict(state)
            check = _compare(saved, module.eval())
        except Exception as error:  # torch cannot trace every model; another way may do
            why = f"{type(error).__name__}: {words_of(error)[:200]}"
            continue
        paths = [replace_bytes(weights, _bytes_of(state)), replace_text(path, _file(saved, told, source))]
        return paths[::-1], check
    raise ExportError(f"the model of run {saved.run.id} cannot be written as Python: {why}")


def _file(saved: SavedModel, told: dict[str, str], source: str) -> str:
    """Return the text of a module that needs torch alone: what the model takes and gives, its class, and `load`."""
    subjects = "\n".join(f"{subject}: {text}" for subject, text in told.items()).replace("\\", "\\\\").replace('"', "'")
    names = f"CLASSES = {saved.work.train.class_names!r}\n" if saved.work.train.class_names else ""
    imports = "\n".join(sorted(["from pathlib import Path", *imports_of(source)], reverse=True))
    precision = f".to({saved.work.dtype})" if saved.work.dtype != torch.float32 else ""
    return f'''"""The model of run {saved.run.id}, written by xprun. `load()` returns it with its trained weights.

{subjects}
"""

{imports}

import torch
from torch import nn

WEIGHTS = Path(__file__).with_suffix(".pt")
{names}

{source}

def load(weights=WEIGHTS):
    """Return the trained model in evaluation mode."""
    model = Model(){precision}
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model.eval()
'''


def _bytes_of(state: dict[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _write_program(saved: SavedModel, path: Path, told: dict[str, str]) -> tuple[list[Path], str]:
    buffer = io.BytesIO()
    try:
        program = export_program(saved.module, _two_rows(saved))
        torch.export.save(program, buffer, extra_files={"xprun.json": json.dumps(told)})
        buffer.seek(0)
        loaded = torch.export.load(buffer).module()
    except Exception as error:
        raise _refused(saved, "recorded by torch.export", error) from error
    check = _compare(saved, loaded)
    return [replace_bytes(path, buffer.getvalue())], check


def _write_onnx(saved: SavedModel, path: Path, told: dict[str, str]) -> tuple[list[Path], str]:
    for package in ("onnx", "onnxscript"):
        if find_package(package) is None:
            raise PackageError(f"{package} is not installed: pip install 'xprun[onnx]'")
    args, kwargs = arguments_of(_two_rows(saved))
    names = [*kwargs] or (["input"] if len(args) == 1 else [f"input_{number}" for number in range(len(args))])
    try:
        with quiet():
            program = torch.onnx.export(
                saved.module,
                args,
                kwargs=kwargs,
                input_names=names,
                dynamic_shapes=any_rows(args, kwargs),
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        program.model.metadata_props.update(told)
        content = program.model_proto.SerializeToString()
    except Exception as error:
        raise _refused(saved, "written as ONNX", error) from error
    check = _compare_onnx(saved, content, names)
    return [replace_bytes(path, content)], check


def _refused(saved: SavedModel, what: str, error: Exception) -> ExportError:
    why = f"{type(error).__name__}: {words_of(error)[:200]}"
    return ExportError(f"the model of run {saved.run.id} cannot be {what}: {why}")


def _two_rows(saved: SavedModel) -> Tensors:
    """Return rows on which a model is recorded: two, since torch takes one for a number that stays."""
    rows = first_rows(saved.work.train.inputs, 2)
    return rows if count_rows(rows) == 2 else map_parts(lambda part: torch.cat([part, part]), rows)


def _compare_onnx(saved: SavedModel, content: bytes, names: list[str]) -> str:
    if find_package("onnxruntime") is None:
        return "not compared with the run's model, as onnxruntime is not installed"
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(*args: Tensor, **kwargs: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(names, (*args, *kwargs.values()), strict=True))
        return tuple(map(torch.from_numpy, session.run(None, {name: part.numpy() for name, part in given.items()})))

    return f"{_compare(saved, run)} in onnxruntime {onnxruntime.__version__}"


def _compare(saved: SavedModel, other: Callable[..., Any]) -> str:
    """Return how far the outputs of an exported model are from the model's, on some rows and on one.

    Raises ExportError where they are too far.
    """
    worst, count = 0.0, 0
    for rows in (1, ROWS):
        inputs = first_rows(saved.work.train.inputs, rows)
        count = count_rows(inputs)
        with torch.no_grad():
            pairs = zip(_leaves(call(saved.module, inputs)), _leaves(call(other, inputs)), strict=True)
            for expected, found in pairs:
                worst = max(worst, float((expected - found).abs().max()))
                if not torch.allclose(expected, found, RELATIVE, ABSOLUTE):
                    why = f"gives other outputs on {count} rows, by up to {worst:.3g}"
                    raise ExportError(f"the exported model of run {saved.run.id} {why}")
    difference = "exactly" if worst == 0 else f"up to {worst:.1g}"
    return f"outputs as the run's model, {difference}, on {count} rows"


def _leaves(outputs: Any) -> tuple[Tensor, ...]:
    return tensors_in(outputs)
