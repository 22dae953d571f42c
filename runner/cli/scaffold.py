"""`init`, `schema` and `new plugin`: they write something to start from."""

from __future__ import annotations

from pathlib import Path

import click
from xprun.runner.cli.completion import complete_shipped
from xprun.runner.cli.loading import open_registry
from xprun.runner.cli.options import plugin_options
from xprun.runner.cli.terminal import say


@click.command()
@click.argument("file", default="experiment.toml", type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="SPEC", shell_complete=complete_shipped, help="A shipped spec to copy.")
@plugin_options
def init(file: Path, source: str | None, plugins: tuple[Path, ...]) -> None:
    """Start a spec in FILE.

    The default is experiment.toml. Beside it stands the JSON Schema with which editors complete and check it.
    """
    from xprun.runner.cli.starters import start_spec

    written = start_spec(file, source, open_registry(plugins))
    say(f"wrote {' and '.join(map(str, written))}; next: xprun check {file}, then xprun {file}")


@click.command()
@click.option("-o", "--output", default="xprun.schema.json", show_default=True, type=click.Path(path_type=Path))
@plugin_options
def schema(output: Path, plugins: tuple[Path, ...]) -> None:
    """Write a JSON Schema of specs, for editors.

    It knows all installed components, so that editors can complete and check them.
    """
    from xprun.runner.cli.starters import write_schema

    say(f"wrote {write_schema(output, open_registry(plugins))}")


@click.group()
def new() -> None:
    """Start a plugin package."""


@new.command()
@click.argument("name")
def plugin(name: str) -> None:
    """Start a plugin package called NAME in ./NAME.

    It holds one optimizer and its test.
    """
    from xprun.runner.cli.starters import start_plugin

    say(f"wrote {'  '.join(map(str, start_plugin(name, Path(name))))}")
    say(f"next: pip install --editable './{name}[test]', then pytest {name}")
