"""Serves the report of an output folder to browsers while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from xprun.runner.cli.terminal import complain

if TYPE_CHECKING:
    from socket import socket

    Address = tuple[str, int] | None


def serve(folder: Path, address: Address) -> None:
    """Serve the report of a folder until Ctrl-C."""
    from xprun.reports.live.live_report import Watched
    from xprun.reports.live.live_server import serve_until_interrupted
    from xprun.runner.status.status_reader import curves, gather, look

    if not folder.is_dir():
        raise click.UsageError(f"{folder}: no such folder")
    with _listening(address) as listening:
        complain("Ctrl-C ends it")
        watched = Watched(partial(look, folder), partial(gather, folder), partial(curves, folder))
        serve_until_interrupted(listening, watched)


@contextmanager
def served(folder: Path, address: Address) -> Iterator[None]:
    """Serve the report of a folder that this process writes meanwhile, by a process that nothing waits for."""
    from xprun.runner.cli.live_process import start

    with _listening(address) as listening:
        server = start(listening, folder)
    try:
        yield
    finally:
        server.communicate()


@contextmanager
def _listening(address: Address) -> Iterator[socket]:
    """Listen at an address and say where a browser finds it; None: where only this machine can ask."""
    from xprun.reports.live.live_server import listen, url_of

    with listen(*(address or ())) as listening:
        complain(f"live: {url_of(listening)}")
        yield listening
