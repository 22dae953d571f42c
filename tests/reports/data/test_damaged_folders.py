"""Whatever a folder holds, a report of it is made or one line says why not; never a traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.folders import Case
from xprun.errors import Error
from xprun.plugins.registry import REGISTRY
from xprun.reports import ReportError, difference, ranking, verdict, write_report
from xprun.reports.data.results_folder import read_tables
from xprun.results import open_results
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.results_schema import CLAIMS
from xprun.runner.visuals.requested_plots import asked_plots

Make = Callable[..., Path]
Damage = Callable[[Path], object]


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def in_utf_16(path: Path) -> None:
    path.write_bytes(path.read_bytes().decode(errors="replace").encode("utf-16"))


def in_latin(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"SGD", b"SG\xd6").replace(b"demo", b"d\xe9mo") + b"\xff")


def only_the_header(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").partition("\n")[0], encoding="utf-8")


def twice(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text + text.partition("\n")[2], encoding="utf-8")


def filled_with(value: str) -> Damage:
    """Return what puts a value in the place of every cell but those of the first row."""

    def fill(path: Path) -> None:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.iloc[1:] = value
        table.to_csv(path, index=False)

    fill.__name__ = f"filled with {value[:8]}"
    return fill


def without_its_columns(path: Path) -> None:
    pd.read_csv(path, dtype=str, keep_default_na=False).iloc[:, 1::2].to_csv(path, index=False)


def saying(text: str) -> Damage:
    """Return what puts a text in the place of a file."""

    def say(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    say.__name__ = f"saying {text[:12]}"
    return say


TABLES = ("results.csv", "history.csv", "claims.csv", "fits.csv", "surface.csv", "matrices.csv", "samples.csv")
OF_TABLES = (half, emptied, made_a_folder, zeros, in_utf_16, in_latin, only_the_header, twice, without_its_columns)
FILLS = tuple(map(filled_with, ("", "x", "1e400", "-1", "nan", "99999999999999999999")))
OBJECTS = ("tables.json", "resolved.json", "environment.json", ".planned.json", ".progress.json")
SAID = ("[]", "3", "null", '"x"', "{}", "[" * 9999, '{"schema": 1}', '{"compare": 1, "spec": [], "rows": 2}')
OF_OBJECTS = (half, emptied, made_a_folder, zeros, in_utf_16, in_latin, *map(saying, SAID))
CASES = [
    *((file, damage) for file in TABLES for damage in (*OF_TABLES, *FILLS)),
    *((file, damage) for file in OBJECTS for damage in OF_OBJECTS),
    *((file, damage) for file in ("images.npz", "spec.toml", "models.txt") for damage in OF_TABLES[:6]),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with every file that a report reads."""
    from support.folders import write_folder

    folder = write_folder(
        tmp_path_factory.mktemp("whole") / "demo",
        [Case("SGD", 0.1, [0.9, 0.8]), Case("SGD", 0.2, [0.7, 0.6]), Case("Adam", 0.1, [0.8, None])],
    )
    runs = [f"{number:012x}" for number in range(6)]
    tables = {
        "claims.csv": pd.DataFrame([dict.fromkeys(CLAIMS.names, "ok")]),
        "fits.csv": pd.DataFrame({"run": runs, "series": "fit", "x": 0.5, "y": 1.0}),
        "surface.csv": pd.DataFrame(
            [(runs[0], w, b, w * w + b) for w in (0.0, 1.0) for b in (0.0, 1.0)],
            columns=["run", "param.w", "param.b", "loss"],
        ),
        "matrices.csv": pd.DataFrame(
            [(runs[0], "valid.confusion", i, j, 3.0) for i in (0, 1) for j in (0, 1)],
            columns=["run", "metric", "row", "column", "value"],
        ),
        "samples.csv": pd.DataFrame(
            [(runs[0], 0, 1, 0, 0.5, 0)], columns=["run", "row", "target", "prediction", "probability", "image"]
        ),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False)
    np.savez_compressed(folder / "images.npz", **{"0": np.zeros((4, 4, 1))})
    (folder / ".planned.json").write_text(json.dumps({"rows": [{"run": run} for run in runs], "tables": {}}))
    progress = {"process": 1, "name": "demo", "to_run": 6, "cached": 0, "started": 1.0, "over": True}
    (folder / ".progress.json").write_text(json.dumps(progress | {"statuses": {"done": 6}}))
    (folder / "models.txt").write_text("a model\n", encoding="utf-8")
    read_tables(folder)
    return folder


def damaged(whole: Path, tmp_path: Path, file: str, damage: Damage) -> Path:
    """Return a copy of a folder of which one file is damaged."""
    folder = tmp_path / "damaged"
    shutil.copytree(whole, folder)
    if not (folder / file).exists():
        (folder / file).write_text("{}", encoding="utf-8")
    damage(folder / file)
    return folder


@pytest.mark.parametrize(("file", "damage"), CASES, ids=lambda part: getattr(part, "__name__", part))
def test_a_damaged_file_costs_one_line(whole: Path, tmp_path: Path, file: str, damage: Damage) -> None:
    folder = damaged(whole, tmp_path, file, damage)

    def every_part() -> Any:
        results = open_results(folder)
        return read_tables(folder), results.history, results.claims

    questions: list[Callable[[], Any]] = [
        every_part,
        lambda: ranking(folder),
        lambda: difference(folder, whole),
        lambda: asked_plots(folder, REGISTRY),
    ]
    for ask in questions:
        try:
            ask()
        except Error as error:
            assert error.exit_code in (2, 3)
            assert "\n" not in str(error).strip()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("results.csv", zeros), ("history.csv", in_utf_16), ("resolved.json", saying("[" * 9999)),
        ("spec.toml", in_latin), ("fits.csv", filled_with("x")), ("history.csv", filled_with("9" * 20)),
        ("images.npz", half), ("tables.json", saying('{"schema": 1}')), ("surface.csv", filled_with("x")),
    ],
)  # fmt: skip
def test_the_line_names_the_file(whole: Path, tmp_path: Path, file: str, damage: Damage) -> None:
    folder = damaged(whole, tmp_path, file, damage)
    with pytest.raises(ReportError, match=file):
        read_tables(folder)


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), MemoryError("too much"), RecursionError("too deep")])
def test_what_nobody_has_foreseen_names_the_folder(
    make_folder: Make, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*given: object, **more: object) -> None:
        raise error

    folder = make_folder([Case("SGD", 0.1, [0.9])])
    for module in ("page.report_page", "text.folder_verdict"):
        monkeypatch.setattr(f"xprun.reports.{module}.make_analysis", fail)
    for ask in (write_report, verdict):
        with pytest.raises(ReportError, match=f"{folder}: these tables are not as xprun writes them.*{error}"):
            ask(folder)


def test_a_folder_that_cannot_be_written_is_told_with_exit_code_3(make_folder: Make) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    (folder / "plots").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be used") as raised:
        write_report(folder)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("page", ["report.md", "report.html"])
def test_a_page_that_cannot_be_replaced_is_told_with_exit_code_3(make_folder: Make, page: str) -> None:
    folder = make_folder([Case("SGD", 0.1, [0.9])])
    (folder / page / "something").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be used"):
        write_report(folder, (page.partition(".")[2],))
