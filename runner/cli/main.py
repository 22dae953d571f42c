"""The command line. It starts without torch, pandas and seaborn; they are imported when a run needs them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from xprun.runner.cli.bench import bench
from xprun.runner.cli.check import check, plan
from xprun.runner.cli.completion import complete_shipped
from xprun.runner.cli.components import describe, ls
from xprun.runner.cli.export import export
from xprun.runner.cli.merge import merge
from xprun.runner.cli.report import diff, predict, report
from xprun.runner.cli.run import run, test
from xprun.runner.cli.scaffold import init, new, schema
from xprun.runner.cli.show import show
from xprun.runner.cli.terminal import escaped_errors, exit_code_of, print_traceback

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

OWN_OPTIONS = ("--help", "-h", "--version")


class SpecOrCommand(click.Group):
    """`xprun SPEC` runs a spec: a first word that is no command is taken for the file of one."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and shipped specs that the first word may become, or that it is a file."""
        from click.shell_completion import CompletionItem

        found = super().shell_complete(ctx, incomplete) + complete_shipped(ctx, None, incomplete)
        return found or [CompletionItem(incomplete, type="file")]

    def main(self, *args: Any, **extra: Any) -> Any:
        sys.excepthook = print_traceback
        return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Options before a word belong to the command that it names, and before a spec to the command `run`.
        if args and args[0].startswith("-") and args[0] not in OWN_OPTIONS:
            place = self._place_of_command(ctx, args)
            args = ["run", *args] if place is None else [args[place], *args[:place], *args[place + 1 :]]
        with escaped_errors():
            return super().parse_args(ctx, args)

    def _place_of_command(self, ctx: click.Context, args: list[str]) -> int | None:
        """Return where a command stands after options of any command; None where a file or no command does."""
        options = {tuple(p.opts): p for c in self.commands.values() for p in c.params if isinstance(p, click.Option)}
        every = click.Command(None, params=list(options.values()))
        try:
            parser = every.make_parser(click.Context(every, ctx, allow_interspersed_args=False))
            _, rest, _ = parser.parse_args(list(args))
        except click.UsageError:
            return None
        place = len(args) - len(rest)
        is_command = bool(rest) and rest[0] in self.commands and args[place - 1] != "--"
        return place if is_command and not Path(rest[0]).is_file() else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            _refuse_unknown_word(args[0], list(self.commands))
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command and exit with what it returns, or with the exit code of its error."""
        with escaped_errors():
            code = exit_code_of(partial(super().invoke, ctx))
        ctx.exit(code)


# What other tools call a command.
OTHER_NAMES = {
    "list": "ls",
    "components": "ls",
    "info": "describe",
    "doc": "describe",
    "train": "run",
    "fit": "run",
    "start": "run",
    "validate": "check",
    "lint": "check",
    "verify": "check",
    "compare": "diff",
    "dry-run": "plan",
    "create": "init",
    "plot": "report",
    "html": "report",
    "predictions": "predict",
    "save-model": "export",
    "onnx": "export",
}


def _refuse_unknown_word(word: str, commands: list[str]) -> None:
    """Raise UsageError for a misspelt command: a word that is no file, no shipped spec, and near a command."""
    if word.startswith("-") or Path(word).suffix or Path(word).exists():
        return
    from xprun.specs.language.library import shipped_specs
    from xprun.specs.language.wording import nearest

    file = f"{word}.toml"
    near = nearest(word, [*commands, *shipped_specs(), *OTHER_NAMES]) or ""
    near = OTHER_NAMES.get(near, near)
    if word not in shipped_specs() and Path(file).is_file():
        near = file
    if near in (*commands, file):
        raise click.UsageError(f"there is no command or spec {word!r}; did you mean {near!r}?")


@click.group(
    cls=SpecOrCommand,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="SPEC... | COMMAND [ARGS]...",
)
@click.version_option(package_name="xprun", prog_name="xprun")
def main() -> None:
    """Run declarative PyTorch experiments and compare them.

    \b
      xprun SPEC...        run the grid that a spec describes, then write tables and a report
      xprun run --help     list the options for that: output folder, device, workers, ...
      xprun check SPEC...  check a spec for errors without running it
      xprun test SPEC...   run a spec and check what it claims
      xprun bench NAME...  rank an optimizer among others on a suite of problems
    """


COMMANDS = (run, check, test, plan, show, bench, report, diff, merge, predict, export, ls, describe, init, schema, new)
for command in COMMANDS:
    main.add_command(command)
