"""Merges the stores of several output folders: every record is verified, and nothing of it is made anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from xprun.runner.results.atomic_files import writing
from xprun.runner.store.database import connect, write_records
from xprun.runner.store.records import Record
from xprun.runner.store.recovery import migrate_or_recover, read_store

CHECKPOINTS = "checkpoints"


@dataclass
class Merged:
    """What came together: how many records each folder had, and what was found amiss, in words."""

    runs: int = 0
    by_folder: dict[Path, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def merge_stores(out: Path, folders: Iterable[Path]) -> Merged:
    """Write the records of folders, and their checkpoints, into the store of one that is held by this process.

    Only records that verify against their checksums are taken. Of a run that several have, one that stands is taken
    rather than one that is to be tried again, and else that of the first folder.
    Raises OutputError for a store of a newer version, and when the disk does not do its part.
    """
    merged, chosen, sources = Merged(), dict[str, Record](), dict[str, Path]()
    store = out / "store.sqlite"
    with writing(out):
        if recovered := migrate_or_recover(store):
            merged.notes.append(recovered)
        for folder in (out, *folders):
            with writing(folder):
                records, damaged = read_store(folder / "store.sqlite")
            if folder != out:
                merged.by_folder[folder] = len(records)
            if damaged:
                merged.notes.append(f"{folder}: the store is damaged; its {len(records):,} intact runs are merged")
            merged.notes += _double(folder, records, chosen, sources)
            for run, record in records.items():
                if run not in chosen or (record.cacheable and not chosen[run].cacheable):
                    chosen[run], sources[run] = record, folder
        with closing(connect(store, to_write=True)) as database, database:
            database.execute("BEGIN IMMEDIATE")
            write_records(database, (record for run, record in chosen.items() if sources[run] != out))
        for run, folder in sources.items():
            _copy_checkpoint(folder, out, run)
    merged.runs = len(chosen)
    return merged


def _double(
    folder: Path, records: dict[str, Record], chosen: dict[str, Record], sources: dict[str, Path]
) -> Iterator[str]:
    """Yield what is told of runs that an earlier folder has, too, by that folder."""
    double: dict[Path, list[str]] = {}
    for run in records.keys() & chosen.keys():
        double.setdefault(sources[run], []).append(run)
    for other, runs in double.items():
        differing = sum(records[run].digest != chosen[run].digest for run in runs)
        results = f", {differing:,} of them with other results or times" if differing else ", with the same results"
        yield f"{len(runs):,} runs of {folder} are in {other}, too{results}; those of {other} are kept"


def _copy_checkpoint(folder: Path, out: Path, run: str) -> None:
    for ending in (".json", ".pt"):
        with suppress(FileNotFoundError):
            source = folder / CHECKPOINTS / f"{run}{ending}"
            if folder != out and source.is_file():
                (out / CHECKPOINTS).mkdir(exist_ok=True)
                shutil.copyfile(source, out / CHECKPOINTS / source.name)
