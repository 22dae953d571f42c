"""Snapshots: the state of a training on disk, from which it goes on; a file is whole and verified, or is none."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xprun.plugins.python_packages import release_of
from xprun.runner.planning.layout import Layout
from xprun.runner.results.atomic_files import replace_bytes, writing
from xprun.runner.store.export_cache import hash_of_sources

FOLDER = "resume"
ENDING = ".state"
State = dict[str, Any]  # tensors, numbers and texts, and lists and tables of them


class SnapshotError(Exception):
    """A file is no snapshot that a training can go on from; the words say why."""


@dataclass(frozen=True)
class Place:
    """Where a training is: `step` of `steps`, of one shard of a layout. `made_by` are versions that must not change."""

    layout: Layout
    shard: int
    step: int
    steps: int
    made_by: str


class Snapshot:
    """The snapshot of one training: a file in the folder `resume/` of an output folder, replaced by the next.

    `every` is the number of epochs between two of them; None: none is taken.
    """

    def __init__(self, folder: Path, layout: Layout, shard: int = 0, every: int | None = None) -> None:
        self.layout, self.shard, self.every = layout, shard, every
        self._folder, self.path = folder, folder / FOLDER / f"{layout.key}-{shard}{ENDING}"

    def write(self, state: State, step: int, steps: int) -> None:
        """Put a state in the place of the last one, durably; raise OutputError when the disk does not do its part."""
        place = json.dumps(asdict(Place(self.layout, self.shard, step, steps, made_by())))
        content = place.encode() + b"\n" + _to_bytes(state)
        digest = hashlib.sha256(content).hexdigest().encode()
        with writing(self._folder):
            self.path.parent.mkdir(exist_ok=True)  # in the output folder, which is there
            replace_bytes(self.path, digest + b"\n" + content)

    def read(self) -> State | None:
        """Return the last state, or None where there is none; raise SnapshotError for a file that is damaged."""
        with writing(self._folder):
            if not self.path.is_file():
                return None
            read_place(self.path)
            _, _, state = self.path.read_bytes().split(b"\n", 2)
        return _from_bytes(state)

    def remove(self) -> None:
        with writing(self._folder):
            self.path.unlink(missing_ok=True)


def read_place(path: Path) -> Place:
    """Return where the training of a snapshot is; raise SnapshotError where it cannot be gone on from."""
    with path.open("rb") as file:
        digest = file.readline().strip()
        start = file.tell()
        if hashlib.file_digest(file, "sha256").hexdigest().encode() != digest:
            raise SnapshotError("is damaged")
        file.seek(start)
        place = _place(file.readline())
    if place.made_by != made_by():
        raise SnapshotError("was made by another version of xprun or torch")
    return place


def _place(line: bytes) -> Place:
    try:
        table = json.loads(line)
        return Place(**table | {"layout": Layout(**table["layout"])})
    except (ValueError, TypeError, KeyError):
        raise SnapshotError("is not what this version of xprun writes") from None


def read_places(folder: Path) -> Iterator[tuple[Path, Place | None, str]]:
    """Yield the snapshots of an output folder: where each is, or None and why it cannot be gone on from."""
    for path in sorted((folder / FOLDER).glob(f"*{ENDING}")):
        try:
            yield path, read_place(path), ""
        except SnapshotError as error:
            yield path, None, str(error)


def take_stock(folder: Path, to_run: set[str], ended: set[str], planned: set[str]) -> tuple[list[Layout], list[str]]:
    """Return the layouts of unfinished trainings that go on when some of the planned runs are trained, and notes.

    Snapshots of no more use are removed: damaged ones, and those of which a run has ended. Others are kept, which is
    said of those whose runs are not planned any more.
    """
    found: dict[str, Layout] = {}
    notes: list[str] = []
    kept = 0
    with writing(folder):
        for path, place, trouble in read_places(folder):
            runs = set(place.layout.every_run) if place else set[str]()
            if place is None:
                notes.append(f"{FOLDER}/{path.name} {trouble}; its runs start again from the beginning")
                path.unlink()
            elif runs & ended:
                path.unlink()
            elif runs <= to_run:
                found[place.layout.key] = place.layout
            else:
                kept += not runs <= planned
    if kept and to_run:
        what = "state of other interrupted runs is" if kept == 1 else "states of other interrupted runs are"
        notes.append(f"{kept} {what} kept in {folder / FOLDER}; delete them if those runs should not resume")
    return _apart(found.values()), notes


def forget(folder: Path, runs: Iterable[str]) -> None:
    """Remove the snapshots of runs whose outcomes are stored; others may be written meanwhile."""
    ended = set(runs)
    with writing(folder):
        for path in (folder / FOLDER).glob(f"*{ENDING}"):
            with suppress(FileNotFoundError, SnapshotError), path.open("rb") as file:
                file.readline()
                if ended.intersection(_place(file.readline()).layout.every_run):
                    path.unlink()


def _apart(layouts: Iterable[Layout]) -> list[Layout]:
    """Return layouts without those whose runs are in a larger one."""
    chosen: list[Layout] = []
    for layout in sorted(layouts, key=lambda one: -len(one.every_run)):
        if not any(set(layout.every_run).intersection(other.every_run) for other in chosen):
            chosen.append(layout)
    return chosen


@cache
def made_by() -> str:
    """Return what decides what a state means, and to the bit what becomes of it: versions and xprun's own sources."""
    package = Path(__file__).parents[2]
    sources = [hash_of_sources(package / part) for part in ("plugins", "runner")]
    return hashlib.sha256("\n".join([release_of("torch"), *sources]).encode()).hexdigest()[:12]


def _to_bytes(state: State) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(_on_the_cpu(state), buffer)
    return buffer.getvalue()


def _on_the_cpu(state: Any) -> Any:
    """Return a state that any machine can read."""
    import torch

    if isinstance(state, torch.Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: _on_the_cpu(value) for key, value in state.items()}
    return [_on_the_cpu(value) for value in state] if type(state) is list else state


def _from_bytes(content: bytes) -> State:
    import torch

    state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state
