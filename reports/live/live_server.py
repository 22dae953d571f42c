"""The live page: a small HTTP server that shows the report of a folder while another process fills it."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import urlsplit

from xprun.errors import Error
from xprun.reports.live.live_report import LiveReport, Watched

HOST, PORT = "127.0.0.1", 8421
NICE = 5  # training goes first
QUIET = 3.0  # seconds without a question after which no browser is waiting for the last page; they ask every two
LINGER = 30.0  # seconds that the last page is kept for browsers, at most
REST = 1.0  # seconds between two connections, at most, where they take too much
NO_DESCRIPTORS = 0.5  # seconds until the next try to take up a connection

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


def serve_until_told(listening: socket.socket, watched: Watched, told: Callable[[], object]) -> NoReturn:
    """Serve the page until `told` returns, and then to browsers that were looking: they get the last page.

    An interrupt is the parent's to handle. This ends the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, AttributeError):  # Windows has no such thing
        os.nice(NICE)

    live = LiveReport(watched)
    try:
        with serving(listening, live):
            with suppress(OSError):
                told()
            now, longest = time.monotonic(), LINGER if watched.look()["state"] == "over" else QUIET
            while time.monotonic() < min(live.asked + QUIET, now + longest):
                time.sleep(0.1)
    finally:
        _leave()


def serve_until_interrupted(listening: socket.socket, watched: Watched) -> NoReturn:
    """Serve the page until Ctrl-C. This ends the process."""
    try:
        with suppress(KeyboardInterrupt), serving(listening, LiveReport(watched)):
            threading.Event().wait()
    finally:
        _leave()


def _leave() -> NoReturn:
    """End the process at once: a thread may be drawing, which the usual way out would abort."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


@dataclass(frozen=True)
class Limits:
    """What all browsers together may take of a server, and anybody else.

    `seconds`: from a connection to the end of its answer. `connections`: at once. `share`: of one core, for requests,
    once they have taken a `burst` of so many seconds.
    """

    seconds: float = 10.0
    connections: int = 64
    share: float = 1 / 60
    burst: float = 0.5


@contextmanager
def serving(listening: socket.socket, live: LiveReport, limits: Limits = Limits()) -> Iterator[None]:
    """Answer requests in threads meanwhile."""
    server = _Server(listening, live, limits)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Allowance:
    """Processor time for requests: a burst, and from then on a share of the time that passes."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._begin = limits, time.monotonic()
        self._spent, self._changing = 0.0, threading.Lock()

    def spend(self, seconds: float) -> None:
        with self._changing:
            self._spent += seconds

    def rest(self) -> float:
        """The seconds after which there is some left again."""
        passed = time.monotonic() - self._begin
        return max(0.0, (self._spent - self._limits.burst) / self._limits.share - passed)


class _Server(ThreadingHTTPServer):
    """A thread for each connection, of which there are few, none for long, and all together take little time."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, live: LiveReport, limits: Limits) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self._limits = limits
        self.socket, self.live = listening, live
        self.names = {"localhost", socket.gethostname().lower()}
        self._open: dict[socket.socket, float] = {}  # connections, and since when
        self._allowance, self._taken = Allowance(limits), 0.0

    def get_request(self) -> tuple[socket.socket, Any]:
        taken = time.thread_time()
        self._allowance.spend(taken - self._taken)
        self._taken = taken
        time.sleep(min(REST, self._allowance.rest()))
        try:
            return super().get_request()
        except OSError:  # the socket stays ready, so that nothing else would wait
            time.sleep(NO_DESCRIPTORS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= self._limits.connections:
            self.shutdown_request(request)
            return
        self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._allowance.spend(time.thread_time())

    def shutdown_request(self, request: Any) -> None:
        """Give the place back, and then close: who sees the connection closed may take the place at once."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Drop the connections that take too long, whatever comes through them."""
        for request, since in list(self._open.items()):
            if time.monotonic() - since > self._limits.seconds:
                self._open.pop(request, None)
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Three answers, and nothing that a request names is looked up anywhere."""

    server: _Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if not self._is_meant():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"this server has another name\n", "text/plain")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, self.server.live.page(), "text/html")
        elif self.path == "/training.html":
            self._answer(HTTPStatus.OK, self.server.live.training(), "text/html")
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
        if self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        return "xprun"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal tells of runs."""


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
