"""The live page: who is answered, what is answered, and when a page is made."""

from __future__ import annotations

import errno
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case
from xprun.reports.live.live_report import LiveReport, Watched
from xprun.reports.live.live_server import Allowance, Limits, LiveError, listen, read_address, serving, url_of

Make = Callable[..., Path]
Answer = tuple[http.client.HTTPResponse, bytes]


class Grid:
    """A folder that fills as a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.ended, self.made = folder, "running", 0, 0

    def look(self) -> dict[str, Any]:
        return {"name": "demo", "state": self.state, "ended": self.ended, "done": 0.5, "text": f"{self.ended} ended"}

    def gather(self, into: Path) -> Path:
        self.made += 1
        return self.folder


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid(tmp_path / "empty")


@pytest.fixture
def ask(grid: Grid) -> Iterator[Callable[..., Answer]]:
    """Asks a server on a free port: `ask("/", host="localhost")`."""
    listening = listen(port=0)
    port = listening.getsockname()[1]

    def get(path: str, method: str = "GET", **headers: str) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()

    with serving(listening, LiveReport(Watched(grid.look, grid.gather))):
        yield get


def until(ask: Callable[..., Answer], true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The progress as soon as it is so."""
    for _ in range(100):
        told: dict[str, Any] = json.loads(ask("/progress.json")[1])
        if true(told):
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_the_page_comes_with_the_first_runs_and_again_when_more_have_ended(
    ask: Callable[..., Answer], grid: Grid, make_folder: Make
) -> None:
    answer, page = ask("/")
    assert answer.status == 200
    assert b"The report comes with the first run that ends" in page
    first = until(ask, lambda told: grid.made == 1)
    assert (first["text"], first["final"], first["note"]) == ("0 ended", False, "")
    grid.folder = make_folder([Case("SGD", 0.1, [0.8, 0.9])])
    grid.state, grid.ended = "over", 2
    told = until(ask, lambda told: told["final"])
    assert told["page"] != first["page"]
    _, page = ask("/")
    assert b"<h2>Ranking</h2>" in page
    assert f'content="{told["page"]}"'.encode() in page
    assert grid.made == 2
    until(ask, lambda told: told["final"])
    assert grid.made == 2  # nothing has changed


def test_a_page_is_not_made_before_somebody_asks_and_not_often(
    ask: Callable[..., Answer], grid: Grid, make_folder: Make
) -> None:
    grid.folder = make_folder([Case("SGD", 0.1, [0.8, 0.9])])
    ask("/")
    assert grid.made == 0
    page = until(ask, lambda told: not told["page"].endswith("-0"))["page"]
    grid.ended = 1
    assert until(ask, lambda told: True)["page"] == page
    assert grid.made == 1


def test_a_page_that_cannot_be_made_is_told_and_the_last_one_stays(
    ask: Callable[..., Answer], grid: Grid, make_folder: Make
) -> None:
    grid.folder = make_folder([Case("SGD", 0.1, [0.8, 0.9])])
    until(ask, lambda told: not told["page"].endswith("-0"))
    (grid.folder / "results.csv").write_text("run\n", encoding="utf-8")
    grid.state = "over"
    assert "results.csv: no column 'seed'" in until(ask, lambda told: told["final"])["note"]
    assert b"<h2>Ranking</h2>" in ask("/")[1]


@pytest.mark.parametrize("path", ["/store.sqlite", "/../store.sqlite", "/..%2fstore.sqlite", "/?x=1", "/report.html"])
def test_nothing_else_is_served(ask: Callable[..., Answer], path: str) -> None:
    assert ask(path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(ask: Callable[..., Answer], method: str) -> None:
    assert ask("/", method)[0].status == 501


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:9000", 200), ("[::1]:8421", 200), (socket.gethostname(), 200),
        ("evil.example", 421), ("localhost.evil.example", 421), ("", 421), ("[", 421),
    ],
)  # fmt: skip
def test_a_name_that_somebody_made_lead_here_is_not_answered(
    ask: Callable[..., Answer], host: str, status: int
) -> None:
    answer, content = ask("/progress.json", Host=host)
    assert answer.status == status
    assert (b"ended" in content) == (status == 200)


def test_a_page_may_ask_its_server_and_nobody_else(ask: Callable[..., Answer]) -> None:
    answer, page = ask("/")
    assert "connect-src 'self'" in page.decode()
    assert page.decode().count("default-src 'none'") == 1
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_only_this_machine_is_listened_to_unless_told() -> None:
    with closing(listen(port=0)) as one:
        assert url_of(one).startswith("http://127.0.0.1:")
    with closing(listen("0.0.0.0", 0)) as every:
        assert every.getsockname()[0] == "0.0.0.0"


def test_a_port_that_is_taken_is_an_error_where_it_was_asked_for() -> None:
    with closing(listen(port=0)) as one, pytest.raises(LiveError, match=r"127\.0\.0\.1:\d+: Address already in use"):
        listen(port=one.getsockname()[1])
    with closing(listen()) as usual, closing(listen()) as other:
        assert usual.getsockname()[1] != other.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "address"),
    [("8000", ("127.0.0.1", 8000)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:80", ("::1", 80)), ("me:80", ("me", 80))],
)
def test_an_address_is_a_port_with_or_without_a_host(text: str, address: tuple[str, int]) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", "here", "70000", "-1", "::1:80", "host:", "1e3"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="a port such as 8000 is expected"):
        read_address(text)


def test_the_head_of_an_answer_can_be_asked_for(ask: Callable[..., Answer]) -> None:
    for path in ("/", "/progress.json", "/nowhere"):
        (head, nothing), (answer, content) = ask(path, "HEAD"), ask(path)
        assert nothing == b""
        assert head.status == answer.status
        assert head.headers["Content-Length"] == answer.headers["Content-Length"] == str(len(content))


@pytest.fixture
def connect(grid: Grid) -> Iterator[Callable[..., socket.socket]]:
    """Connects to a server with few limits: three connections at once, of half a second each."""
    listening = listen(port=0)
    several: list[socket.socket] = []

    def connected() -> socket.socket:
        several.append(socket.create_connection(listening.getsockname(), timeout=10))
        return several[-1]

    with serving(listening, LiveReport(Watched(grid.look, grid.gather)), Limits(seconds=0.5, connections=3)):
        yield connected
    for one in several:
        one.close()


def is_closed(one: socket.socket) -> bool:
    """Whether the other side has closed a connection, or does so within its timeout."""
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("request_begins", [b"", b"GET / HT", b"GET / HTTP/1.0\r\nHost: localhost\r\nX: "])
def test_who_asks_byte_by_byte_is_dropped(connect: Callable[..., socket.socket], request_begins: bytes) -> None:
    one = connect()
    one.sendall(request_begins)
    one.settimeout(0.05)
    for _ in range(200):
        try:
            assert one.recv(1) == b""
            return
        except TimeoutError:
            one.sendall(b"x") if request_begins else None
        except ConnectionError:
            return
    raise AssertionError("it is still connected")


def test_who_does_not_read_is_dropped(connect: Callable[..., socket.socket], grid: Grid) -> None:
    grid.look = lambda: {"state": "running", "text": "x" * 50_000_000}  # type: ignore[method-assign]
    one = connect()
    one.sendall(b"GET /progress.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
    time.sleep(2.0)
    received = 0
    with suppress(ConnectionError):
        while content := one.recv(1 << 20):
            received += len(content)
    assert 0 < received < 50_000_000


def test_more_connections_than_are_served_at_once_are_closed(connect: Callable[..., socket.socket]) -> None:
    held = [connect() for _ in range(3)]
    assert is_closed(connect())
    assert all(map(is_closed, held))  # they have said nothing
    one = connect()
    one.sendall(b"GET /progress.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert one.recv(15) == b"HTTP/1.0 200 OK"


def test_a_server_without_descriptors_waits_for_some(grid: Grid) -> None:
    class NoDescriptors(socket.socket):
        tries = 0

        def accept(self) -> Any:
            self.tries += 1
            if self.tries < 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    listening = listen(port=0)
    short = NoDescriptors(fileno=listening.detach())
    with serving(short, LiveReport(Watched(grid.look, grid.gather))):
        one = socket.create_connection(short.getsockname(), timeout=10)
        time.sleep(0.2)
        assert short.tries == 1
        one.sendall(b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert one.recv(15) == b"HTTP/1.0 200 OK"
        one.close()
    assert short.tries == 3


def test_requests_rest_when_they_have_taken_their_share() -> None:
    allowance = Allowance(Limits(share=0.01, burst=1.0))
    allowance.spend(0.9)
    assert allowance.rest() == 0
    allowance.spend(1.1)
    assert 90 < allowance.rest() <= 100


def test_an_interrupt_while_a_page_is_drawn_ends_the_server(tmp_path: Path, make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.8, 0.9])])
    with closing(listen(port=0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "xprun", "report", str(folder), "--live-at", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        assert "live: http://127.0.0.1" in server.stderr.readline()
        assert "Ctrl-C" in server.stderr.readline()
        answer = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        answer.request("GET", "/progress.json")  # from then on it draws
        answer.getresponse().read()
        answer.close()
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        assert server.stderr.read() == ""
