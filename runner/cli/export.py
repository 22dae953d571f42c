"""`export`: the model of a saved run as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from xprun.runner.cli.loading import open_registry
from xprun.runner.cli.options import plugin_options
from xprun.runner.cli.output_folders import is_output_folder, output_folder
from xprun.runner.cli.terminal import say

if TYPE_CHECKING:
    from xprun.runner.exports import Format


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name", metavar="[RUN]", default="")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["module", "torch_export", "onnx"]),
    default="module",
    show_default=True,
    help="A Python file and its weights, a program of torch.export, or ONNX.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="(default: FOLDER/exports/model_RUN.*)"
)
@plugin_options
def export(folder: Path, name: str, kind: Format, output: Path | None, plugins: tuple[Path, ...]) -> None:
    """Write a saved run's model for other programs.

    RUN is the id of a run that was saved in the output FOLDER (run.save), or the start of it; it may be left out where
    only one was saved. Nothing that is written needs xprun. Its outputs are compared with the model's first.
    """
    from xprun.runner.exports import SUFFIXES
    from xprun.runner.needed_packages import import_torch

    if output is not None and output.suffix != SUFFIXES[kind]:
        raise click.UsageError(f"-o {output}: the name of a file in the format {kind} ends with {SUFFIXES[kind]}")

    swapped = is_output_folder(Path(name)) and not folder.exists()
    if not folder.is_dir():  # any other has no checkpoints
        output_folder(folder, f"the folder stands first: xprun export {name} {folder}" if swapped else "")
    import_torch()
    from xprun.runner.exports.model_files import export_model
    from xprun.runner.exports.saved_model import rebuild

    saved = rebuild(folder, name, open_registry(plugins))
    path = output or folder / "exports" / f"model_{saved.run.id}{SUFFIXES[kind]}"
    written = export_model(saved, kind, path)
    say(f"wrote {'  '.join(map(str, written.paths))}")
    width = max(map(len, (*written.told, "check")))
    for subject, text in {**written.told, "check": written.check}.items():
        say(f"  {subject:{width}}  {text}")
