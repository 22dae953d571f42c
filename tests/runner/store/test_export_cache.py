"""What is made from a store is made again only when that has changed."""

from __future__ import annotations

from pathlib import Path

from xprun.runner.store.export_cache import MARKS, export, recall


def test_a_text_is_made_again_when_what_it_tells_has_changed(tmp_path: Path) -> None:
    made: list[str] = []

    def make() -> str:
        made.append(f"number {len(made)}")
        return made[-1]

    assert [recall(tmp_path, "verdict", of, make) for of in ("a", "a", "b", "b", "a")] == [
        "number 0",
        "number 0",
        "number 1",
        "number 1",
        "number 2",
    ]
    (tmp_path / MARKS).write_text("{", encoding="utf-8")
    assert recall(tmp_path, "verdict", "a", make) == "number 3"


def test_texts_and_files_know_of_each_other_s_marks(tmp_path: Path) -> None:
    def write() -> list[Path]:
        path = tmp_path / "table.csv"
        path.write_text("x", encoding="utf-8")
        return [path]

    export(tmp_path, "tables", "a", write)
    recall(tmp_path, "verdict", "a", lambda: "told")
    assert export(tmp_path, "tables", "a", list) == [tmp_path / "table.csv"]
    assert recall(tmp_path, "verdict", "a", lambda: "told anew") == "told"
