"""Imports the user's own modules as texts that are kept, and notes which files they open meanwhile."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, source_from_cache, spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

# Of these no version is part of an id: xprun itself, and what it needs, whose versions `environment.json` names.
IN_ENVIRONMENT = {"xprun", "torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "seaborn", "matplotlib"}
INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class OwnModule:
    """A module of the user's own: its full name, its file, and what was in it when it was imported."""

    name: str
    file: Path
    content: bytes
    is_package: bool

    @property
    def shown(self) -> str:
        """The file as seen from the folder in which the import found it, the same wherever that folder is."""
        place = self.name.replace(".", "/")
        return f"{place}/{self.file.name}" if self.is_package else f"{place}{self.file.suffix}"

    @property
    def digest(self) -> str:
        return digest_of(self.content)


@dataclass(frozen=True)
class OpenedFile:
    """A file that was opened while a plugin was imported, and a hash of what was in it."""

    shown: str
    path: Path
    digest: str


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def is_own(file: Path) -> bool:
    """Whether a file is the user's own: neither Python's nor that of an installed distribution."""
    return not set(INSTALLED) & set(file.parts) and not is_of_python(file)


def is_of_python(file: Path) -> bool:
    """Whether a file is of Python's own library."""
    return not set(INSTALLED) & set(file.parts) and any(map(file.is_relative_to, _library()))


@cache
def _library() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")})


@cache
def _of_xprun() -> tuple[Path, ...]:
    """Return the folders of xprun's own sources: who works on these has them in the folder where xprun is run."""
    root = __name__.partition(".")[0]
    specs = (
        find_spec(name) for name in (root, *(f"{root}.{part}" for part in ("specs", "plugins", "runner", "reports")))
    )
    return tuple(Path(spec.origin).resolve().parent for spec in specs if spec and spec.origin)


class TextLoader(SourceFileLoader):
    """Executes the text of a module that was read before, and so the one that ids are made of."""

    def __init__(self, module: OwnModule) -> None:
        super().__init__(module.name, str(module.file))
        self.module = module

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text; cached bytecode would take a file that was changed twice in a second for unchanged."""
        return compile(self.module.content, str(self.module.file), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        _executed.add(module.__name__)
        if _watched.opener is None:
            super().exec_module(module)
        else:
            with _watched.attributing(self.module.name):
                super().exec_module(module)

    def get_data(self, path: str) -> bytes:
        return self.module.content if path == str(self.module.file) else super().get_data(path)


class _OwnFinder:
    """Finds the user's own modules: while it is recording those of files, as text; always those that are pinned."""

    def __init__(self) -> None:
        self.pinned: dict[str, OwnModule] = {}
        self.recording = 0
        self.recorded: dict[str, OwnModule] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if target is None and (module := self.pinned.get(name)):
            return self._spec(module)
        if not self.recording:
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is None or type(found.loader) is not SourceFileLoader or not found.origin:
            return found
        file = Path(found.origin)
        if not is_own(file) or name.partition(".")[0] in IN_ENVIRONMENT:
            return found
        module = OwnModule(name, file, file.read_bytes(), found.submodule_search_locations is not None)
        self.recorded[name] = module
        return self._spec(module)

    def _spec(self, module: OwnModule) -> ModuleSpec | None:
        below = [str(module.file.parent)] if module.is_package else None
        return spec_from_file_location(
            module.name, module.file, loader=TextLoader(module), submodule_search_locations=below
        )


FINDER = _OwnFinder()


@contextmanager
def recording() -> Iterator[None]:
    """Import the user's own modules as text meanwhile, and note which files they, and the code inside, open."""
    _install()
    FINDER.recording += 1
    try:
        with _watched.attributing(""):
            yield
    finally:
        FINDER.recording -= 1


def pin(modules: Iterable[OwnModule]) -> None:
    """Import these modules as they were, from now on; those of another content are forgotten."""
    _install()
    FINDER.pinned |= {module.name: module for module in modules}
    forget(name for name, module in _texts().items() if module != FINDER.pinned.get(name, module))


def unpin() -> None:
    """Import modules as they are from now on, as a new process would: if one has changed, each is imported anew."""
    FINDER.pinned.clear()
    texts = _texts()
    if any(not module.file.is_file() or module.file.read_bytes() != module.content for module in texts.values()):
        forget(texts)


def forget(modules: Iterable[str]) -> None:
    """Forget modules that were imported as text, so that they are executed again."""
    for name in set(modules) & set(_texts()):
        del sys.modules[name]


_executed: set[str] = set()  # the names of modules that were ever imported as text; sys.modules has thousands


def _texts() -> dict[str, OwnModule]:
    loaders = {name: getattr(getattr(sys.modules.get(name), "__spec__", None), "loader", None) for name in _executed}
    return {name: loader.module for name, loader in loaders.items() if isinstance(loader, TextLoader)}


def _install() -> None:
    if FINDER not in sys.meta_path:
        finders = list(sys.meta_path)
        sys.meta_path.insert(finders.index(PathFinder) if PathFinder in finders else 0, FINDER)
        sys.addaudithook(_watched.hear)


class _Watched:
    """Hears of files that are opened: by module, "" being none, from each path to whether it was only read."""

    def __init__(self) -> None:
        self.opened: dict[str, dict[str, bool]] = {}
        self.opener: str | None = None

    @contextmanager
    def attributing(self, opener: str) -> Iterator[None]:
        before, self.opener = self.opener, opener
        self.opened[opener] = {}
        try:
            yield
        finally:
            self.opener = before

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self.opener is None or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if not _shows_sources(sys._getframe(1)):
            path, flags = os.path.abspath(os.fsdecode(arguments[0])), arguments[2] or 0  # noqa: PTH100 - no I/O here
            opened, is_read = self.opened[self.opener], not flags & (os.O_WRONLY | os.O_RDWR)
            opened[path] = is_read and opened.get(path, True)


def _shows_sources(caller: FrameType) -> bool:
    """Whether a file is opened for its lines to be shown: whoever looks at the stack reads the sources of all callers.

    torch does so while it is imported, and then in the process alone that imports it first.
    """
    frames = (caller, caller.f_back, caller.f_back and caller.f_back.f_back)
    return any(frame and frame.f_globals.get("__name__") == "linecache" for frame in frames)


_watched = _Watched()


def opened_files(modules: Iterable[OwnModule], folders: Iterable[Path], code: Path) -> tuple[OpenedFile, ...]:
    """Return the files in folders of the user's, or below them, that were read while modules and `code` were imported.

    `code` is what was executed last while recording. Texts of modules are no such files.
    """
    known = list(modules)
    openers = ["", *(module.name for module in known)]
    paths = {path for opener in openers for path, is_read in _watched.opened.get(opener, {}).items() if is_read}
    homes = [home for folder in folders if (home := folder.resolve()) != home.parent]
    texts = {code.resolve(), *(module.file.resolve() for module in known)}
    return tuple(
        {
            file.shown: file for path in sorted(paths) for file in _own_file(path, homes) if file.path not in texts
        }.values()
    )


def _own_file(path: str, homes: list[Path]) -> Iterator[OpenedFile]:
    """Yield a file if it stands in one of these folders or below it, and is one of the user's own."""
    file = Path(path).resolve()
    if file.parent.name == "__pycache__":
        with suppress(ValueError, NotImplementedError):
            file = Path(source_from_cache(str(file)))
    home = next((home for home in homes if file.is_relative_to(home)), None)
    if home is None or not is_own(file) or file.is_relative_to(Path(sys.prefix).resolve()):
        return
    if any(map(file.is_relative_to, _of_xprun())):
        return
    below = file.relative_to(home)
    if any(part.startswith(".") or part.endswith((".egg-info", ".dist-info")) for part in below.parts):
        return
    with suppress(OSError):
        yield OpenedFile(below.as_posix(), file, digest_of(file.read_bytes()))
