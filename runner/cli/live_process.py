"""The process that serves the live page beside the one that trains.

It starts as workers do: nothing in the working directory stands in for a module of Python's. It ends when its stdin is
closed, as it is when its parent dies.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from xprun.reports.live.live_report import Watched
from xprun.reports.live.live_server import LiveError, serve_until_told
from xprun.runner.status.status_reader import curves, gather, look

PROGRAM = "from xprun.runner.cli.live_process import serve_for_parent; serve_for_parent()"


def start(listening: socket.socket, folder: Path) -> subprocess.Popen[str]:
    """Start the process that serves a folder that this one writes, and hand it the socket."""
    command: Any = [sys.executable, "-P", "-c", PROGRAM]
    windows = os.name == "nt"  # where descriptors cannot be inherited like this
    kept = () if windows else (listening.fileno(),)
    try:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, pass_fds=kept, start_new_session=True)
    except OSError as error:
        raise LiveError(f"no process can be started to serve the page: {error}") from None
    handed = listening.share(server.pid).hex() if windows else listening.fileno()  # type: ignore[attr-defined]
    assert server.stdin is not None
    with suppress(OSError):  # it has ended: training goes on
        server.stdin.write(json.dumps([handed, str(folder), os.getpid()]) + "\n")
        server.stdin.flush()
    return server


def serve_for_parent() -> None:
    """Be that process."""
    handed, name, parent = json.loads(sys.stdin.readline())
    listening: Any = socket
    listening = listening.fromshare(bytes.fromhex(handed)) if os.name == "nt" else socket.socket(fileno=handed)
    folder = Path(name)
    serve_until_told(
        listening,
        Watched(partial(look, folder, parent), partial(gather, folder), partial(curves, folder)),
        sys.stdin.read,
    )
