"""`show`: the data of a spec, printed and drawn without any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from xprun.runner.cli.loading import default_folder, load_spec, open_registry
from xprun.runner.cli.options import SpecOptions, output_option, spec_options
from xprun.runner.cli.spec_command import SpecCommand
from xprun.runner.cli.terminal import exit_code_of, say

if TYPE_CHECKING:
    from xprun.reports import DataDescription


@click.command(cls=SpecCommand)
@click.argument("spec", type=click.Path(path_type=Path), metavar="SPEC")
@output_option
@spec_options
def show(spec: Path, output: Path | None, options: SpecOptions) -> int:
    """Show the data of a spec, without training.

    Shapes, types, classes with their names and how many rows each part has of them; images or points are drawn into
    data-1.png, ... in the output folder.
    """
    return exit_code_of(lambda: _show(spec, output, options), spec=spec)


def _show(path: Path, output: Path | None, options: SpecOptions) -> None:
    from xprun.runner.needed_packages import require_torch
    from xprun.runner.process.log import notes_on_stderr

    registry = open_registry(options.plugins)
    with notes_on_stderr():
        spec = load_spec(path, registry, options)
        require_torch()
        from xprun.reports import describe_data
        from xprun.runner.visuals.data_summaries import distinct_data, summaries_here
        from xprun.specs.language.expansion import expand

        folder = output or default_folder(spec)
        for number, summary in enumerate(summaries_here(distinct_data(expand(spec)), registry), 1):
            say(("\n" if number > 1 else "") + _told(describe_data(summary), folder / f"data-{number}.png"))


def _told(data: DataDescription, picture: Path) -> str:
    """Return the description of a data set, whose picture is written."""
    if data.picture is None:
        return data.text
    from xprun.runner.results.atomic_files import replace_bytes

    picture.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(picture, data.picture())
    return f"{data.text}\nwrote {picture}"
