"""Tells whether a word of the command line names an output folder, and which one was probably meant."""

from __future__ import annotations

from pathlib import Path

from xprun.errors import Error

MARKS = ("results.csv", "store.sqlite", "planned.json", "progress.json")  # one of them is in every output folder
MOST = 100  # folders that are looked at, for one that may be meant


class FolderError(Error):
    """A word that should name an output folder names none."""

    exit_code = 2


def output_folder(path: Path, instead: str = "") -> Path:
    """Return the path of an output folder; raise FolderError, of one line, for anything else.

    `instead` is what to say of the command, for example of words that stand in the wrong order.
    """
    if is_output_folder(path):
        return path
    raise FolderError(f"{path}: {_what_it_is(path)}{f'; {instead}' if instead else _meant(path)}")


def is_output_folder(path: Path) -> bool:
    """Whether runs have been saved in a folder."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def _what_it_is(path: Path) -> str:
    if path.suffix == ".toml":
        return "a spec is not an output folder" if path.is_file() else "no such file or folder"
    if path.is_file():
        return "a file, not an output folder"
    return "not an output folder, as it has no results.csv" if path.is_dir() else "no such file or folder"


def _meant(path: Path) -> str:
    """Return which output folder was probably meant."""
    from xprun.specs.language.wording import MOST_LISTED, nearest

    if path.is_file() and is_output_folder(path.parent):
        return f"; did you mean {path.parent}?"
    runs = Path("runs") / path.stem
    if is_output_folder(runs):
        return f"; did you mean {runs}?"
    if path.suffix == ".toml":
        return f"; xprun {path} writes one"
    around = dict.fromkeys([*_folders_in(path), *_folders_in(path.parent), *_folders_in(Path("runs"))])
    near = nearest(path.name, [folder.name for folder in around])
    found = [str(folder) for folder in around if folder.name == near] or [str(folder) for folder in around]
    if not found:
        return ""
    return f"; did you mean {found[0]}?" if near else f"; there are {', '.join(found[:MOST_LISTED])}"


def _folders_in(path: Path) -> list[Path]:
    try:
        return [folder for folder in sorted(path.iterdir())[:MOST] if is_output_folder(folder)]
    except OSError:
        return []
