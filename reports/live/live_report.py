"""The page of a folder that somebody fills, made anew now and then while browsers ask."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAUSE = 3.0  # seconds between two pages, at least
DRAW_PAUSE = 1.0  # and between two drawings of what is in training
SHARE = 11  # and so many times the computing time of either: making them takes a twelfth of one core at most

Progress = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """What a live page asks of a folder that somebody fills.

    `look` tells how far the work is: a JSON object with `state`, "running" while it goes on, and `training`, a line on
    what is trained now. `gather` returns a folder with the tables as they are now, which may be the empty one that it
    is given. `curves` tells those of runs in training, see `training_curves`.
    """

    look: Callable[[], Progress]
    gather: Callable[[Path], Path]
    curves: Callable[[], Progress] = dict


class LiveReport:
    """The page of a folder as it was a moment ago.

    A page is made in the background, only after somebody asked how far the work is, and not often (`PAUSE`, `SHARE`).
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._drawn, self._drawing, self._draw_due = b"", False, 0.0
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
        told = self._watched.look()
        over, shows = told["state"] != "running", json.dumps([told["state"], told.get("ended")])
        with self._changing:
            stale = shows != self._shows and not self._making and (over or self.asked >= self._due)
            if stale:
                self._making, self._shows = True, shows
                self._begin()
            final = over and not self._making
        return told | {"page": self._name(), "final": final, "note": self._note}

    def training(self) -> bytes:
        """The curves so far of runs in training, as they were last drawn, for a place in the page.

        Where they are due to be, they are drawn again in the background.
        """
        with self._changing:
            due = not self._drawing and time.monotonic() >= self._draw_due
            if due:
                self._drawing = True
        if due and not self._in_background(self._draw):
            self._drawing = False
        return self._drawn

    def _draw(self) -> None:
        from xprun.reports.live.training_curves import draw  # with matplotlib, which takes its time once

        started = time.thread_time()
        try:
            self._drawn = draw(self._watched.curves()).encode()
        except Exception as error:  # the next one may be well
            self._note = f"the curves could not be drawn: {type(error).__name__}: {error}"
        finally:
            self._draw_due = time.monotonic() + max(DRAW_PAUSE, SHARE * (time.thread_time() - started))
            self._drawing = False

    def _begin(self) -> None:
        """Make a page in the background, or later where there are no more threads."""
        if not self._in_background(self._make):
            self._making, self._shows, self._due = False, "", self.asked + PAUSE

    def _in_background(self, make: Callable[[], None]) -> bool:
        """Start a thread; return whether there was one to be had."""
        try:
            threading.Thread(target=make, daemon=True).start()
        except RuntimeError:
            return False
        return True

    def _make(self) -> None:
        from xprun.reports.data.results_folder import read_tables
        from xprun.reports.page.rendering import render_html
        from xprun.reports.page.report_page import make_page
        from xprun.reports.presentation.report_errors import ReportError

        started = time.thread_time()
        try:
            with tempfile.TemporaryDirectory(prefix="xprun-") as folder:
                page = make_page(read_tables(self._watched.gather(Path(folder))), ("html",))
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

        return render_waiting(str(self._watched.look().get("name", "")), live=self._name())
