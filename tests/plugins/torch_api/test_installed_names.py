"""Of another release of torch than the one that xprun ships the names of, the installed one's own are read, once."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path

import pytest
import torch
from support.commands import xprun
from xprun.plugins.cache_folder import cache_folder
from xprun.plugins.python_packages import ABSENT
from xprun.plugins.torch_api.generated import optim_classes
from xprun.plugins.torch_api.installed_names import Texts, find_names

SHIPPED = re.findall(r"torch (\S+);", optim_classes.__doc__ or "")[0]
NEWER = {"optim_classes": "def LBFGS(*, lr: float = 1.0, maximize: bool = False): ...\n"}


class Reader:
    """Reads what a newer release would have, and counts how often."""

    def __init__(self, texts: Texts | None = None) -> None:
        self.texts, self.reads = texts or NEWER, 0

    def __call__(self, package: str) -> Texts:
        self.reads += 1
        return self.texts


def settings_of_lbfgs(read: Reader, folder: Path, release: str = "99.1") -> list[str]:
    names = find_names({"torch": release}, read, folder)
    assert not names.complaints
    assert names.releases == {"torch": release}
    return list(signature(names.modules["optim_classes"].LBFGS).parameters)


def test_a_newer_release_has_its_own_names_and_is_read_once(tmp_path: Path) -> None:
    read = Reader()
    assert settings_of_lbfgs(read, tmp_path) == ["lr", "maximize"]
    assert settings_of_lbfgs(read, tmp_path) == ["lr", "maximize"]
    assert read.reads == 1
    settings_of_lbfgs(read, tmp_path, release="99.2")
    assert read.reads == 2


@pytest.mark.parametrize("release", [SHIPPED, ABSENT])
def test_the_shipped_names_are_read_from_nowhere(release: str, tmp_path: Path) -> None:
    read = Reader()
    names = find_names({"torch": release}, read, tmp_path)
    assert names.modules["optim_classes"] is optim_classes
    assert names.releases == {"torch": SHIPPED}
    assert (read.reads, list(tmp_path.iterdir())) == (0, [])


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"0\n{}", None], ids=str)
def test_a_damaged_cache_is_read_anew(damage: bytes | None, tmp_path: Path) -> None:
    read = Reader()
    settings_of_lbfgs(read, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9] if damage is None else damage)
    assert settings_of_lbfgs(read, tmp_path) == ["lr", "maximize"]
    assert read.reads == 2
    settings_of_lbfgs(read, tmp_path)
    assert read.reads == 2


@pytest.mark.parametrize("kind", ["a file in its place", "a folder in the place of its file"])
def test_a_cache_that_cannot_be_written_does_no_harm(kind: str, tmp_path: Path) -> None:
    read, folder = Reader(), tmp_path / "cache"
    if kind == "a file in its place":
        folder.touch()
    else:
        settings_of_lbfgs(read, folder)
        (file,) = folder.iterdir()
        file.unlink()
        file.mkdir()
    before = read.reads
    assert settings_of_lbfgs(read, folder) == ["lr", "maximize"]
    assert settings_of_lbfgs(read, folder) == ["lr", "maximize"]
    assert read.reads == before + 2


def test_several_may_write_it_at_once(tmp_path: Path) -> None:
    read = Reader()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: settings_of_lbfgs(read, tmp_path), range(64)))
    assert found == [["lr", "maximize"]] * 64
    (file,) = tmp_path.iterdir()  # and nothing temporary is left
    assert json.loads(file.read_bytes().partition(b"\n")[2]) == NEWER


@pytest.mark.parametrize("texts", [{"optim_classes": "def LBFGS(:"}, {"optim_classes": "raise RuntimeError('no')"}])
def test_names_that_cannot_be_read_are_those_that_are_shipped_and_it_is_told(texts: Texts, tmp_path: Path) -> None:
    names = find_names({"torch": "99.1"}, Reader(texts), tmp_path)
    assert names.modules["optim_classes"] is optim_classes
    (told,) = names.complaints
    assert told.startswith("torch 99.1 is installed, and its names cannot be read (")
    assert told.endswith(f"); those of {SHIPPED} are known")


def test_the_cache_is_where_a_platform_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "xprun"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / ".cache/xprun"


def newer_torch(front: Path) -> None:
    """Put the installed torch in front of itself as release 99.1, whose LBFGS has one more setting."""
    installed, copy = Path(torch.__file__).parent, front / "torch"
    (copy / "optim").mkdir(parents=True)
    for place in (Path(), Path("optim")):
        for path in (installed / place).iterdir():
            if path.name not in ("optim", "lbfgs.py", "version.py", "__pycache__"):
                (copy / place / path.name).symlink_to(path)
    text = (installed / "optim/lbfgs.py").read_text(encoding="utf-8")
    changed = text.replace(
        "line_search_fn: str | None = None,", "line_search_fn: str | None = None, fresh: bool = False,"
    )
    assert changed != text
    (copy / "optim/lbfgs.py").write_text(changed, encoding="utf-8")
    version = (installed / "version.py").read_text(encoding="utf-8")
    (copy / "version.py").write_text(version.replace(SHIPPED, "99.1"), encoding="utf-8")
    (front / "torch-99.1.dist-info").mkdir()
    (front / "torch-99.1.dist-info/METADATA").write_text("Name: torch\nVersion: 99.1\n", encoding="utf-8")


def test_check_knows_the_settings_of_a_newer_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_spec: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    newer_torch(tmp_path / "front")
    text = line_spec.replace("scratch.gd", "LBFGS").replace("lr = 0.1", "lr = 0.1\nfresh = true")
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    assert "has no such setting" in xprun("check", "spec.toml", folder=tmp_path).stderr
    done = xprun("check", "spec.toml", folder=tmp_path, front=tmp_path / "front")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name.partition("-")[0] for path in (tmp_path / "cache/xprun").iterdir()] == ["torch"]
    listed = xprun("ls", "optimizer", folder=tmp_path, front=tmp_path / "front")
    assert listed.stdout.splitlines()[-1].startswith("(names of torch 99.1, torchvision ")
