"""Whatever happens to the file of a store, no wrong number comes out of it, and it can be used again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fault_runs import rounds
from support.stored_outcomes import content, outcome
from xprun.runner.store.run_store import Store

RUNS = 60


OUTCOMES = {one.run: one for one in map(outcome, range(RUNS))}


EXPECTED = {run: content(one) for run, one in OUTCOMES.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two folders: a store that was closed in good order, and one whose process was killed."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder / "closed")
    for number, one in enumerate(OUTCOMES.values()):
        if number == 2 * RUNS // 3:
            store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.save([one])
    shutil.copytree(folder / "closed", folder / "killed")  # while it is open: with its log
    store.close()
    assert (folder / "killed" / "store.sqlite-wal").exists()
    assert not (folder / "closed" / "store.sqlite-wal").exists()
    return {"closed": folder / "closed", "killed": folder / "killed"}


def flip(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 3, 20])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_header(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(min(100, len(content)))] = chance.randrange(256)


def zero(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content))
    length = min(chance.choice([1, 16, 512, 4096, 20000]), len(content) - start)
    content[start : start + length] = bytes(length)


def zero_page(content: bytearray, chance: random.Random) -> None:
    page = 4096 * chance.randrange(max(1, len(content) // 4096))
    content[page : page + 4096] = bytes(len(content[page : page + 4096]))


def truncate(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def swap_pages(content: bytearray, chance: random.Random) -> None:
    one, other = (4096 * chance.randrange(max(1, len(content) // 4096)) for _ in range(2))
    pages = content[one : one + 4096], content[other : other + 4096]
    if len(pages[0]) == len(pages[1]):
        content[other : other + 4096], content[one : one + 4096] = pages


def insert(content: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(content))
    content[place:place] = chance.randbytes(chance.choice([1, 100, 4096]))


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip, flip, flip_header, zero, zero_page, truncate, swap_pages, insert,
]  # fmt: skip


def damage(folder: Path, chance: random.Random) -> str:
    """Damage a file of a store, or delete it, and return what was done."""
    file = chance.choice(sorted(folder.glob("store.sqlite*")))
    if chance.random() < 0.08:
        file.unlink()
        return f"{file.name} deleted"
    mutate = chance.choice(MUTATIONS)
    content = bytearray(file.read_bytes())
    mutate(content, chance)
    file.write_bytes(content)
    return f"{file.name} {mutate.__name__}"


@pytest.mark.parametrize("state", ["closed", "killed"])
def test_a_damaged_store_gives_no_wrong_number_and_takes_what_is_missing(
    finished: dict[str, Path], state: str, tmp_path: Path
) -> None:
    kept = 0
    for seed in range(rounds(15, 1000)):
        folder = tmp_path / str(seed)
        shutil.copytree(finished[state], folder)
        done = damage(folder, random.Random(f"{state} {seed}"))
        store = Store(folder)
        found = store.outcomes(EXPECTED)
        assert all(content(one) == EXPECTED[run] for run, one in found.items()), done
        store.save([one for run, one in OUTCOMES.items() if run not in found])
        store.close()
        again = Store(folder)
        assert not again.recovery_note, (done, again.recovery_note)
        assert {run: content(one) for run, one in again.outcomes(EXPECTED).items()} == EXPECTED, done
        again.close()
        kept += len(found)
        shutil.rmtree(folder)
    print(f"{state}: {kept / (seed + 1) / RUNS:.1%} of the runs survived")
    assert kept > 0.4 * RUNS * seed
