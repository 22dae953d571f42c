"""The live page: a small HTTP server that shows the report of a folder while another process fills it."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xprun.errors import Error

HOST, PORT = "127.0.0.1", 8421
PAUSE = 3.0  # seconds between two pages, at least
SHARE = 9  # and so many times the computing time of a page: making them takes a tenth of one core at most
NICE = 5  # training goes first
QUIET = 3.0  # seconds without a question after which no browser is waiting for the last page; they ask every two
LINGER = 30.0  # seconds that the last page is kept for browsers, at most

Progress = dict[str, Any]
Look = Callable[[], Progress]
Gather = Callable[[Path], Path]
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LiveError(Error):
    """The page cannot be served at an address."""

    exit_code = 2


class LiveReport:
    """The page of a folder as it was a moment ago.

    `look` tells how far the work is: a JSON object with `state`, "running" while it goes on. `gather` returns a folder
    with the tables as they are now, which may be the empty one that it is given. A page is made in the background, only
    after somebody asked how far the work is, and not often (`PAUSE`, `SHARE`).
    """

    def __init__(self, look: Look, gather: Gather) -> None:
        self._look, self._gather = look, gather
        self._changing = threading.Lock()
        self._born = time.time_ns()  # so that a tab that was left open tells this server's pages from an earlier one's
        self._number, self._page, self._shows, self._note = 0, b"", "", ""
        self._due, self._making = 0.0, False
        self.asked = time.monotonic()  # when somebody asked last; at first, somebody may be about to

    def page(self) -> bytes:
        """The page as it was last made; one that waits for the first result before that."""
        return self._page or self._wait().encode()

    def progress(self) -> Progress:
        """How far the work is, which page there is (`page`), and whether it is the last one (`final`).

        Where a new page is due, it is made in the background.
        """
        self.asked = time.monotonic()
        told = self._look()
        over, shows = told["state"] != "running", json.dumps([told["state"], told.get("ended")])
        with self._changing:
            stale = shows != self._shows and not self._making and (over or self.asked >= self._due)
            if stale:
                self._making, self._shows = True, shows
                threading.Thread(target=self._make, daemon=True).start()
            final = over and not self._making
        return told | {"page": self._name(), "final": final, "note": self._note}

    def _make(self) -> None:
        from xprun.reports.data.results_folder import read_tables
        from xprun.reports.page.rendering import render_html
        from xprun.reports.page.report_page import make_page
        from xprun.reports.presentation.report_errors import ReportError

        started = time.thread_time()
        try:
            with tempfile.TemporaryDirectory(prefix="xprun-") as folder:
                page = make_page(read_tables(self._gather(Path(folder))), ("html",))
            self._number += 1
            self._page, self._note = render_html(page, live=self._name()).encode(), ""
        except ReportError as error:  # before the first run has ended there is nothing to report
            self._note = str(error) if self._number else ""
        except Exception as error:  # the next page may be well, and training goes on in any case
            self._note = f"the page could not be made: {type(error).__name__}: {error}"
        with self._changing:
            self._due = time.monotonic() + max(PAUSE, SHARE * (time.thread_time() - started))
            self._making = False

    def _name(self) -> str:
        return f"{self._born}-{self._number}"

    def _wait(self) -> str:
        from xprun.reports.page.rendering import render_waiting

        return render_waiting(str(self._look().get("name", "")), live=self._name())


def listen(host: str = HOST, port: int | None = None) -> socket.socket:
    """A socket that listens at an address; without a port at `PORT`, or at a free one where that is taken.

    `LiveError` where the address is no other.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = [PORT, 0] if port is None else [port]
    for number in ports:
        try:
            return socket.create_server((host, number), family=family)
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    raise LiveError(f"the page cannot be served at {_at(host, ports[-1])}: {why}")


def read_address(text: str) -> tuple[str, int]:
    """Host and port of `8000`, `0.0.0.0:8000`, `[::1]:8000`. `ValueError` for anything else."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 2**16 or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text}: a port such as 8000 is expected, or host and port such as 0.0.0.0:8000")
    return host.strip("[]") or HOST, int(port)


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds the page."""
    host, port = listening.getsockname()[:2]
    return f"http://{_at(host, port)}/"


@contextmanager
def served_beside(listening: socket.socket, look: Look, gather: Gather) -> Iterator[None]:
    """Serve the page in a process of its own meanwhile, which nothing waits for; `look` and `gather` are pickled."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve_until_told, args=(listening, look, gather, theirs), daemon=True)
    server.start()
    theirs.close()
    listening.close()
    try:
        yield
    finally:
        ours.close()
        server.join()


def serve_until_told(listening: socket.socket, look: Look, gather: Gather, parent: Connection) -> None:
    """Serve the page until the parent closes its end of the pipe, as it does when it dies.

    Browsers that were looking get the last page before that. An interrupt is the parent's to handle.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, AttributeError):  # Windows has no such thing
        os.nice(NICE)

    live = LiveReport(look, gather)
    with serving(listening, live):
        with suppress(OSError):
            parent.poll(None)
        told, longest = time.monotonic(), LINGER if look()["state"] == "over" else QUIET
        while time.monotonic() < min(live.asked + QUIET, told + longest):
            time.sleep(0.1)
    os._exit(0)  # a thread may be drawing, which the usual way out would disturb


def serve_until_interrupted(listening: socket.socket, look: Look, gather: Gather) -> None:
    """Serve the page until Ctrl-C."""
    with suppress(KeyboardInterrupt), serving(listening, LiveReport(look, gather)):
        threading.Event().wait()


@contextmanager
def serving(listening: socket.socket, live: LiveReport) -> Iterator[None]:
    """Answer requests in threads meanwhile."""
    server = _Server(listening, live)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, live: LiveReport) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.live = listening, live
        self.names = {"localhost", socket.gethostname().lower()}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Two answers, and nothing that a request names is looked up anywhere."""

    server: _Server
    timeout = 10  # seconds for a request

    def do_GET(self) -> None:
        if not self._is_meant():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"this server has another name\n", "text/plain")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, self.server.live.page(), "text/html")
        elif self.path == "/progress.json":
            self._answer(HTTPStatus.OK, json.dumps(self.server.live.progress()).encode(), "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there is nothing here but /\n", "text/plain")

    def _is_meant(self) -> bool:
        """Whether the request names this machine: a page of somebody else's whose name was made to lead here does not.

        That is DNS rebinding; a number leads where it says, so every number will do.
        """
        with suppress(ValueError):
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            return name in self.server.names or bool(ipaddress.ip_address(name))
        return False

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        return "xprun"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal tells of runs."""


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
