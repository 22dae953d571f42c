"""Files and folders that a spec names: what is in them is part of a run's identity."""

from __future__ import annotations

import hashlib
from pathlib import Path

from xprun.plugins.datasets.missing_files import FileChangedError
from xprun.specs.language.wording import did_you_mean


class ResolvedSpecFile(str):
    """The name of a file as the spec writes it, by which it is shown and compared.

    `path` is where it is, `digest` what was in it when the spec was checked.
    """

    path: Path
    digest = ""

    def found(self) -> Path:
        """Return the path; raise FileChangedError where the content is no longer that of which the run has its id."""
        if self.digest and digest(self.path) != self.digest:
            raise FileChangedError(f"{self} changed while the grid was running; run it again")
        return self.path


class ResolvedFolder(str):
    """The name of a folder, relative to the working directory; `digest` is of all files that were in it."""

    digest = ""

    def found(self) -> str:
        """Return the name; raise FileChangedError where the files are no longer those of which the run has its id."""
        if self.digest and digest_of_folder(Path(self)) != self.digest:
            raise FileChangedError(f"files in {self} changed while the grid was running; run it again")
        return str(self)


class SpecFileError(Exception):
    """A file that a spec names cannot be used; `help` says what would help."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__(message)
        self.help = help_text


def find_spec_file(name: str, spec: str) -> ResolvedSpecFile:
    """Return the file of that name in the folder of the spec or below it; raise SpecFileError if it is not there.

    A spec that is a link, as those of an editable installation are, has a second folder: that of the file it links to.
    """
    folder = Path(spec).parent.resolve()
    folders = (folder, Path(spec).resolve().parent)
    try:
        found = (folder / name).resolve()
        inside = (
            any(map(found.is_relative_to, folders)) and ".." not in Path(name).parts and not Path(name).is_absolute()
        )
        is_file = inside and found.is_file()
    except (OSError, ValueError) as error:  # too long a name, a null byte, a loop of links
        raise SpecFileError(f"cannot be a file: {error}", "write the name of a file in the spec's folder") from None
    if not inside:
        raise SpecFileError(
            "is outside the spec's folder", "put the file in the spec's folder, and write just its name"
        )
    if not is_file and (escaped := _backslashes(name)):
        raise SpecFileError(f"there is no file {name!r} in the spec's folder", escaped)
    if not is_file:
        beside = sorted(p.name for p in folder.iterdir() if p.is_file())
        files = f"files in its folder: {', '.join(beside[:20])}"
        raise SpecFileError(f"there is no file {name!r} in the spec's folder{did_you_mean(name, beside)}", files)
    file = ResolvedSpecFile(name)
    file.path = found
    return file


def _backslashes(name: str) -> str:
    """Return how a name with backslashes is written, which double quotes take for escapes; nothing for another."""
    written = name.translate(_ESCAPES)
    if written == name and "\\" not in name:
        return ""
    quotes = "" if written == name else f"in double quotes a backslash begins an escape, as in '{written}'; "
    return f'{quotes}write / between folders, from that of the spec: "{written.replace(chr(92), "/")}"'


_ESCAPES = str.maketrans({"\n": r"\n", "\t": r"\t", "\r": r"\r", "\b": r"\b", "\f": r"\f", "\x1b": r"\e"})


def digest(path: Path) -> str:
    """Return a hash of a file's content; raise SpecFileError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise SpecFileError(f"cannot be read: {error.strerror}", "check the file's permissions") from None


def find_folder(name: str) -> ResolvedFolder:
    """Return a folder by its name; its digest is empty where there is none, which its component will tell."""
    folder = ResolvedFolder(name)
    folder.digest = digest_of_folder(Path(name)) if Path(name).is_dir() else ""
    return folder


def digest_of_folder(folder: Path) -> str:
    """Return a hash of the names and contents of all files below a folder; raise SpecFileError for unreadable ones."""
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise SpecFileError(f"cannot be read: {error.strerror}", "check the folder's permissions") from None
    content = hashlib.sha256()
    for file in files:
        content.update(f"{file.relative_to(folder).as_posix()}\0{digest(file)}\n".encode())
    return content.hexdigest()[:16]
