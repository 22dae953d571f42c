"""The live page: who is answered, what is answered, and when a page is made."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case
from xprun.reports.live.live_server import LiveError, LiveReport, listen, read_address, serving, url_of

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

    with serving(listening, LiveReport(grid.look, grid.gather)):
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
    assert b"No run has ended yet" in page
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
