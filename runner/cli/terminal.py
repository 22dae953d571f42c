"""What the command line prints, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import click
from xprun.errors import Error

OK, FAILED, WRONG, BROKEN = 0, 1, 2, 3
UNDECIDED = 5  # `xprun diff`: it looks worse, and the seeds are too few to tell
INTERRUPTED = 128  # plus the number of the signal
DEBUG = "xprun.debug"  # in the context of a command: whether errors are to be raised with their tracebacks
NO_PROJECT_PLUGINS = "xprun.no_project_plugins"  # likewise: whether the plugins of `pyproject.toml` are left out


def exit_code_of(job: Callable[[], int | None], **known: object) -> int:
    """Return the exit code of a job; of an error, whose message is printed.

    `known`: the `spec` that an error is about, and the command that goes on `again`, for errors that want them told.
    """
    try:
        return job() or OK
    except Error as error:
        if is_debugging():
            raise
        before = error.context.format(**known) if "spec" in known else ""
        behind = error.remedy.format(**known) if "again" in known else ""
        complain(f"{before}{error}{behind}")
        return error.exit_code
    except SystemExit as error:  # nothing of ours raises it
        if is_debugging():
            raise
        complain(f"the work was ended by code that is not xprun's: SystemExit: {error}; --debug shows where")
        return BROKEN


def is_debugging() -> bool:
    """Return whether the command was given `--debug`."""
    return bool(click.get_current_context().meta.get(DEBUG))


def leaves_out_project_plugins() -> bool:
    """Return whether the command was given `--no-project-plugins`."""
    return bool(click.get_current_context().meta.get(NO_PROJECT_PLUGINS))


def written_line(folder: Path, written: Iterable[Path]) -> str:
    """Return `wrote FOLDER/FILE FILE ...`, files in folders of their own by the name of the folder."""
    names = [path.name for path in written if path.parent == folder]
    names += sorted({f"{path.parent.name}/" for path in written if path.suffix in (".tex", ".pdf")})
    return f"wrote {folder}{'/' if names else ''}{'  '.join(names)}"


def say_json(value: object) -> None:
    """Print plain values as JSON."""
    import json

    click.echo(json.dumps(value, indent=1))


@contextmanager
def escaped_errors() -> Iterator[None]:
    """Let nothing in the words of an error that click prints drive the terminal: it quotes what was typed."""
    try:
        yield
    except click.ClickException as error:
        from xprun.specs.language.diagnostics import printable

        vars(error)["message"] = printable(error.message, keep_tabs=True, keep_lines=True)
        raise


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what nobody has caught, as Python does, where it cannot drive the terminal."""
    complain("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


def complain(text: str) -> None:
    """Print a text on stderr."""
    say(text, err=True)


def say(text: str, *, err: bool = False) -> None:
    """Print a text; what is in a name or in the words of an error cannot drive the terminal."""
    from xprun.specs.language.diagnostics import printable

    click.echo(printable(text, keep_tabs=True, keep_lines=True), err=err)
