"""What is saved comes back, and nothing appears by halves."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from xprun.runner.results.atomic_files import OutputError, replace_file
from xprun.runner.results.outcome import Outcome, Series
from xprun.runner.store import folder_lock
from xprun.runner.store.folder_lock import InUseError, hold
from xprun.runner.store.recovery import TABLES_OF_1, read_store
from xprun.runner.store.run_store import Store


def outcome(run: str = "a", value: float = 0.5) -> Outcome:
    series = Series(np.array([1, 2, 5]), np.array([value, np.inf, np.nan]))
    return Outcome(run, "diverged", "the loss is inf", 5, 1.25, 0.1, 3, {"loss": series}, {"w": 0.1 + 0.2})


def test_an_outcome_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "folder")
    store.save([outcome()])
    store.close()
    found = Store(tmp_path / "deep" / "folder").load("a")
    assert found is not None
    assert (found.status, found.reason, found.steps, found.epochs) == ("diverged", "the loss is inf", 5, 1.25)
    assert found.together == 3
    assert found.parameters == {"w": 0.1 + 0.2}
    assert found.history["loss"].steps.tolist() == [1, 2, 5]
    assert np.array_equal(found.history["loss"].values, [0.5, np.inf, np.nan], equal_nan=True)


def test_a_second_outcome_replaces_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save([outcome(), outcome("b")])
    store.save([Outcome("a", "failed", "no")])
    found = store.load("a")
    assert found is not None
    assert (found.status, found.history) == ("failed", {})
    assert store.outcomes(["a", "b", "c"]).keys() == {"a", "b"}
    assert store.load("c") is None


def test_a_save_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bad = outcome("b")
    bad.history["loss"] = Series(np.array([1]), None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        store.save([outcome("a"), bad])
    assert store.outcomes(["a", "b"]) == {}


def test_a_row_that_was_changed_is_set_aside_and_the_others_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save([outcome("a"), outcome("b"), outcome("c")])
    store.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("UPDATE runs SET outcome = replace(outcome, '1.25', '9.25') WHERE run = 'b'")
    database.close()
    store = Store(tmp_path)
    assert store.recovery_note.startswith(f"{tmp_path / 'store.sqlite'} was damaged: 2 intact runs are kept")
    assert store.recovery_note.endswith("the damaged file was renamed to store.sqlite.damaged-1")
    assert store.outcomes("abc").keys() == {"a", "c"}
    assert store.load("b") is None
    store.close()
    assert b"9.25" in (tmp_path / "store.sqlite.damaged-1").read_bytes()
    assert Store(tmp_path).recovery_note == ""


@pytest.mark.parametrize("part", ["steps", '"values"'])
def test_a_changed_history_is_not_believed(tmp_path: Path, part: str) -> None:
    store = Store(tmp_path)
    store.save([outcome("a"), outcome("b")])
    store.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute(f"UPDATE history SET {part} = zeroblob(24) WHERE run = 'a'")
    database.close()
    assert Store(tmp_path).outcomes("ab").keys() == {"b"}


def test_a_store_of_the_first_version_is_converted(tmp_path: Path) -> None:
    old = outcome("a")
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        for table in TABLES_OF_1:
            database.execute(table)
        database.execute("PRAGMA user_version = 1")
        fields = {"status": "diverged", "reason": "why", "steps": 5, "epochs": 1.25, "seconds": 0.1, "together": 3}
        database.execute("INSERT INTO runs VALUES ('a', ?)", (json.dumps(fields | {"parameters": {"w": 0.5}}),))
        series = old.history["loss"]
        curve = (series.steps.astype("<i8").tobytes(), series.values.astype("<f8").tobytes())
        database.execute("INSERT INTO history VALUES ('a', 'loss', ?, ?)", curve)
    database.close()
    for _ in range(2):
        store = Store(tmp_path)
        found = store.load("a")
        assert found is not None
        assert (found.reason, found.parameters, store.recovery_note) == ("why", {"w": 0.5}, "")
        assert np.array_equal(found.history["loss"].values, series.values, equal_nan=True)
        store.close()


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("CREATE TABLE marvels (run TEXT)")
        database.execute("PRAGMA user_version = 3")
    database.close()
    before = (tmp_path / "store.sqlite").read_bytes()
    with pytest.raises(OutputError, match=r"was written by a newer xprun \(version 3; this one reads up to 2\)"):
        Store(tmp_path)
    assert (tmp_path / "store.sqlite").read_bytes() == before


def test_a_process_that_holds_a_folder_is_named_until_it_lets_go(tmp_path: Path) -> None:
    with hold(tmp_path / "out"):
        holder = rf"out is in use by process {os.getpid()}, since 20\d\d-.* \(xprun.*\); wait for it"
        with pytest.raises(InUseError, match=holder), hold(tmp_path / "out"):
            pass
    with hold(tmp_path / "out"):
        pass


def test_the_holder_is_named_that_lets_go_just_when_it_has_been_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = folder_lock._holder

    def read_and_let_go(folder: Path) -> str:
        owner = read(folder)
        (folder / folder_lock.HOLDER).unlink(missing_ok=True)
        return owner

    with hold(tmp_path / "out"):
        monkeypatch.setattr(folder_lock, "_holder", read_and_let_go)
        with pytest.raises(InUseError, match=rf"in use by process {os.getpid()}, "), hold(tmp_path / "out"):
            pass


def test_a_file_is_replaced_as_a_whole_or_stays(tmp_path: Path) -> None:
    path = replace_file(tmp_path / "a.txt", lambda p: p.write_text("old", encoding="utf-8"))

    def half(temporary: Path) -> None:
        temporary.write_text("ne", encoding="utf-8")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, half)
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


VERSION_1 = Path(__file__).with_name("version-1.sqlite")  # written by the xprun that had it


def test_a_file_of_the_first_version_is_read_and_converted(tmp_path: Path) -> None:
    shutil.copy(VERSION_1, tmp_path / "store.sqlite")
    ids = ["0123456789ab", "ba9876543210", "fedcba987654"]
    records, damaged = read_store(tmp_path / "store.sqlite")
    assert (sorted(records), damaged) == (ids, False)
    assert (tmp_path / "store.sqlite").read_bytes() == VERSION_1.read_bytes()
    for _ in range(2):
        store = Store(tmp_path)
        assert store.recovery_note == ""
        done, failed, diverged = (store.outcomes(ids)[run] for run in ids)
        store.close()
        assert (done.status, done.steps, done.epochs, done.parameters) == ("done", 3, 1.5, {"w": 0.1 + 0.2})
        assert done.history["loss"].values.tolist() == [3.0, 2.0, 1.5]
        assert (failed.status, failed.reason, failed.history) == ("failed", "ValueError: no", {})
        assert diverged.history["loss"].values.tolist() == [5.0, np.inf]


READ = """
import os, sys
from pathlib import Path
from xprun.runner.store.recovery import read_store
if os.getuid() == 0:
    os.setuid(65534)
records, damaged = read_store(Path(sys.argv[1]) / "store.sqlite")
print(sorted(records), damaged)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
@pytest.mark.parametrize("killed", [False, True])
def test_a_folder_that_may_not_be_written_can_be_read(tmp_path: Path, killed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        store = Store(tmp_path)
        store.save([outcome("a"), outcome("b")])
        if not killed:
            store.close()
        shutil.copytree(tmp_path, Path(folder, "out"))
        store.close()
        for path, mode in ((Path(folder), 0o755), (Path(folder, "out"), 0o555)):
            path.chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", READ, f"{folder}/out"], capture_output=True, text=True, check=False
        )
        assert done.stdout == "['a', 'b'] False\n", done.stderr
        Path(folder, "out").chmod(0o755)


def test_a_log_that_is_not_the_store_s_own_brings_no_wrong_number(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("one", "other")]
    stores[0].save([outcome("a", 1.0), outcome("b", 2.0)])
    stores[1].save([outcome("a", 3.0), outcome("c", 4.0), outcome("d", 5.0)])
    shutil.copytree(tmp_path / "other", tmp_path / "killed")
    for store in stores:
        store.close()
    shutil.copy(tmp_path / "killed/store.sqlite-wal", tmp_path / "one/store.sqlite-wal")
    (tmp_path / "one/store.sqlite-shm").write_bytes(b"\xff" * 40000)
    written = {("a", 1.0), ("b", 2.0), ("a", 3.0), ("c", 4.0), ("d", 5.0)}
    for _ in range(2):
        store = Store(tmp_path / "one")
        found = {(run, float(one.history["loss"].values[0])) for run, one in store.outcomes("abcd").items()}
        assert found <= written
        store.save([outcome("e")])
        assert store.load("e") is not None
        store.close()


def test_of_two_threads_one_writes_a_folder(tmp_path: Path) -> None:
    told: list[str] = []

    def enter() -> None:
        try:
            with hold(tmp_path):
                told.append("in")
        except InUseError as error:
            told.append(str(error))

    with hold(tmp_path):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert "is in use by process " in told[0]
    assert told[1] == "in"
