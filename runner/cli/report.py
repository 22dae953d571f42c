"""`report`, `diff` and `predict`: what is asked of an output folder afterwards."""

from __future__ import annotations

from functools import partial
from io import StringIO
from pathlib import Path

import click
from xprun.runner.cli.live_page import serve
from xprun.runner.cli.loading import open_registry
from xprun.runner.cli.options import debug_option, format_option, live_at_option, live_option, plugin_options
from xprun.runner.cli.output_folders import is_output_folder, output_folder
from xprun.runner.cli.terminal import FAILED, OK, UNDECIDED, complain, say, written_line


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@format_option
@live_option
@live_at_option
@plugin_options
def report(
    folder: Path,
    formats: tuple[str, ...],
    plugins: tuple[Path, ...],
    live: bool,
    live_at: tuple[str, int] | None,
) -> None:
    """Rebuild the report from an output folder.

    This recovers the partial results of a killed run. With --live, serve the report until Ctrl-C instead, and renew it
    while another xprun writes the folder.
    """
    if live or live_at:
        serve(folder, live_at)
        return
    output_folder(folder)
    from xprun.reports import write_report
    from xprun.runner.process.log import notes_on_stderr
    from xprun.runner.status.status_reader import recover
    from xprun.runner.visuals.requested_plots import asked_plots

    recover(folder)
    with notes_on_stderr():
        say(written_line(folder, write_report(folder, formats, asked_plots(folder, open_registry(plugins)))))


@click.command()
@click.argument("first", type=click.Path(path_type=Path), metavar="FOLDER")
@click.argument("second", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--tolerance", default="0", show_default=True, help="Ignore a drop of up to this much: 0.01, or 1% of the mean."
)
@click.option("--allow-inconclusive", is_flag=True, help="Exit with 0 where the seeds cannot tell.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
@debug_option
def diff(first: Path, second: Path, tolerance: str, allow_inconclusive: bool, markdown: bool) -> int:
    """Compare the results of two output folders.

    Each alternative (what the report compares, such as an optimizer) is compared seed by seed: where both folders have
    runs on fresh seeds those, elsewhere at the setting that is best over both. Exits with 1 where the second is worse
    by more than the tolerance, or where runs that finished before failed or diverged; with 5 where it looks worse by
    more than the tolerance and the seeds are too few to tell.
    """
    for folder in (first, second):
        output_folder(folder)
    from xprun.reports import difference

    try:
        found = difference(first, second, tolerance, markdown=markdown)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    say(found.text)
    if found.regressed:
        return FAILED
    if not found.undecided or allow_inconclusive:
        return OK
    for line in found.undecided:
        complain(f"inconclusive: {line}")
    return UNDECIDED


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name", metavar="RUN")
@click.option(
    "--data", "split", type=click.Choice(["train", "valid", "test"]), help="Which rows (default: those held out)."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A CSV file to write, instead of stdout.")
@plugin_options
def predict(folder: Path, name: str, split: str | None, output: Path | None, plugins: tuple[Path, ...]) -> None:
    """Write a saved run's predictions as CSV.

    RUN is the id of a run that was saved in the output FOLDER, or the start of it.
    """
    from xprun.runner.needed_packages import import_torch

    swapped = is_output_folder(Path(name)) and not folder.exists()
    if not folder.is_dir():  # any other has no checkpoints
        output_folder(folder, f"the folder stands first: xprun predict {name} {folder}" if swapped else "")
    import_torch()
    from xprun.runner.outputs.csv_files import write_csv
    from xprun.runner.predictions import predictions
    from xprun.runner.results.atomic_files import replace_file, writing

    table = predictions(folder, name, split, open_registry(plugins))
    if output is None:
        text = StringIO()
        write_csv(table, text)
        click.echo(text.getvalue(), nl=False)
        return
    with writing(output):
        replace_file(output, partial(write_csv, table))
    say(f"wrote {output}")
