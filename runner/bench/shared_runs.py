"""Runs that other benches have stored: a second candidate does not train what the first was held against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from xprun.errors import Error
from xprun.runner.planning.plan import Plan
from xprun.runner.store.folder_lock import hold
from xprun.runner.store.records import Record
from xprun.runner.store.recovery import read_store
from xprun.runner.store.run_store import Store
from xprun.specs import apart_from_seeds
from xprun.specs.language.confirmation import fresh_seeds
from xprun.specs.language.expansion import with_seeds

STORE = "store.sqlite"
MOST = 30  # folders that are looked at, the latest first


def take_over(folder: Path, wanted: set[str]) -> int:
    """Copy the stored results of wanted runs from the folders beside this one, and return their number.

    Every record is verified as it is read, and stands for a run by its id, which covers all that decides its result.
    What cannot be read is left alone: then it is trained.
    """
    found: dict[str, Record] = {}
    known = _records(folder / STORE).keys()
    for store in _beside(folder):
        missing = wanted - known - found.keys()
        if not missing:
            break
        records = _records(store)
        found |= {run: records[run] for run in missing & records.keys() if records[run].cacheable}
    if found:
        with hold(folder), closing(Store(folder)) as own:
            own.add(list(found.values()))
    return len(found)


def runs_of(plan: Plan) -> set[str]:
    """Return the ids of the runs that a plan may have: those of the search, and any of its settings on fresh seeds."""
    fresh = fresh_seeds(plan.spec)
    later = (run for first in apart_from_seeds(plan.grid_rows) for run in with_seeds(first, fresh, plan.device_kind))
    return {run.id for run in (*plan.grid_rows, *later)}


def _beside(folder: Path) -> Iterator[Path]:
    """Yield the stores of the folders beside one, the latest first."""
    stores = [path for path in folder.absolute().parent.glob(f"*/{STORE}") if path.parent != folder.absolute()]
    yield from sorted(stores, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST]


def _records(store: Path) -> dict[str, Record]:
    with suppress(Error, OSError):
        return read_store(store)[0]
    return {}
