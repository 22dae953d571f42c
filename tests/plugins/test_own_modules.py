"""A run is known by all that its components are made of: modules of the user's own, however they are imported."""

from __future__ import annotations

import linecache
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from xprun.plugins.discovery import as_executed, load_file, open_registry
from xprun.plugins.registry import REGISTRY, PluginError
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Run, read_spec, read_text

HEAD = "from xprun.plugins import optimizer\n"
RULE = '\n\n@optimizer("mine")\ndef mine(w, g, *, lr=0.1):\n    return w - {} * lr * g\n'
SPEC = """
[data]
name = "line"
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "mine"
[run]
steps = 2
"""
# What a plugin imports: its text, the modules beside it, and the one that is edited.
IMPORTED = {
    "a module": ("import aide\n" + RULE.format("aide.FACTOR"), {"aide.py": "FACTOR = 1"}),
    "a name under another": ("from aide import f as g\n" + RULE.format("g()"), {"aide.py": "def f(): return 1"}),
    "everything": ("from aide import *\n" + RULE.format("FACTOR"), {"aide.py": "FACTOR = 1"}),
    "what is imported itself": (
        "import aide\n" + RULE.format("aide.inner.FACTOR"),
        {"inner.py": "FACTOR = 1", "aide.py": "import inner"},
    ),
    "what imports in a circle": (
        "import aide\n" + RULE.format("aide.inner.FACTOR"),
        {"inner.py": "import aide\nFACTOR = 1", "aide.py": "import inner"},
    ),
    "a module of a package": (
        "from parts.deep.rule import FACTOR\n" + RULE.format("FACTOR"),
        {"parts/deep/rule.py": "FACTOR = 1", "parts/__init__.py": "", "parts/deep/__init__.py": ""},
    ),
    "a module that is called as one of Python's": (
        "import tabnanny\n" + RULE.format("tabnanny.FACTOR"),
        {"tabnanny.py": "FACTOR = 1"},
    ),
    "a package": ("import parts\n" + RULE.format("parts.FACTOR"), {"parts/__init__.py": "FACTOR = 1"}),
    "a module of a folder without __init__": (
        "import parts.rule\n" + RULE.format("parts.rule.FACTOR"),
        {"parts/rule.py": "FACTOR = 1"},
    ),
    "a relative import": (
        "import parts\n" + RULE.format("parts.FACTOR"),
        {"parts/numbers_of_it.py": "FACTOR = 1", "parts/__init__.py": "from .numbers_of_it import FACTOR"},
    ),
    "a relative import from above": (
        "import parts.low.rule\n" + RULE.format("parts.low.rule.top.FACTOR"),
        {
            "parts/top.py": "FACTOR = 1",
            "parts/__init__.py": "",
            "parts/low/__init__.py": "",
            "parts/low/rule.py": "from .. import top",
        },
    ),
    "an import in a function": (
        RULE.replace("    return", "    import aide\n    return").format("aide.FACTOR"),
        {"aide.py": "FACTOR = 1"},
    ),
    "an import that may fail": (
        "try:\n    import aide\nexcept ImportError:\n    aide = None\n" + RULE.format("aide.FACTOR"),
        {"aide.py": "FACTOR = 1"},
    ),
    "an import by a string": (
        "from importlib import import_module\naide = import_module('aide')\n" + RULE.format("aide.FACTOR"),
        {"aide.py": "FACTOR = 1"},
    ),
    "imports by computed names": (
        "import importlib\nboth = [importlib.import_module(f'aide_{i}') for i in 'ab']\n" + RULE.format("both[1].F"),
        {"aide_b.py": "F = 1", "aide_a.py": ""},
    ),
    "a table that is changed later": (
        "import aide\naide.TABLE['x'] = 2\n" + RULE.format("aide.TABLE['y']"),
        {"aide.py": "TABLE = {'y': 1}"},
    ),
    "a base class": (
        "import aide\nclass Mine(aide.Base): pass\n" + RULE.format("Mine.factor"),
        {"aide.py": "class Base:\n    factor = 1"},
    ),
    "a default argument": (
        "from aide import f\n" + RULE.format("f()"),
        {"aide.py": "def f(factor=1): return factor"},
    ),
    "a closure": (
        "from aide import f\n" + RULE.format("f()"),
        {"aide.py": "def make(k): return lambda: k\nf = make(1)"},
    ),
    "a partial object": (
        "from aide import f\n" + RULE.format("f()"),
        {"aide.py": "from functools import partial\nf = partial(int, 1)"},
    ),
    "a decorator": (
        "import aide\n" + RULE.replace("def", "@aide.scaled\ndef").format("1"),
        {"aide.py": "import functools\ndef scaled(rule):\n    return functools.wraps(rule)(lambda w, g, *, lr: 1 * w)"},
    ),
    "where the rule is defined": ("import aide\n", {"aide.py": HEAD + RULE.format("1")}),
    "a file that its import reads": (
        "from pathlib import Path\nF = float((Path(__file__).parent / 'f.txt').read_text())\n" + RULE.format("F"),
        {"f.txt": "1"},
    ),
    "a file that the import of a module reads": (
        "import aide\n" + RULE.format("aide.F"),
        {
            "numbers/f.csv": "1\n",
            "aide.py": "import pathlib\nF = len((pathlib.Path(__file__).parent / 'numbers/f.csv').read_bytes())",
        },
    ),
    "code that is executed": (
        "from pathlib import Path\nexec((Path(__file__).parent / 'formula.py').read_text())\n" + RULE.format("F"),
        {"formula.py": "F = 1"},
    ),
}


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def plan(folder: Path) -> Callable[[], Run]:
    """Return a function that loads the plugin and returns the one run of a spec with its rule."""

    def planned() -> Run:
        open_registry([folder / "plugin.py"])
        return make_plan(resolve(read_spec(read_text(SPEC, "spec.toml", ())), REGISTRY), "cpu").runs[0]

    return planned


def write(folder: Path, plugin: str, files: dict[str, str]) -> None:
    for name, text in {"plugin.py": HEAD + plugin, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("imported", IMPORTED)
def test_a_run_is_another_when_something_that_its_rule_imports_has_changed(
    imported: str, folder: Path, plan: Callable[[], Run]
) -> None:
    plugin, files = IMPORTED[imported]
    write(folder, plugin, files)
    before = plan()
    assert plan().id == before.id
    edited = next(iter(files))
    (folder / edited).write_text(files[edited].replace("1", "2"), encoding="utf-8")  # in the same second, of one length
    after = plan()
    assert after.id != before.id
    if imported != "where the rule is defined":  # that is its own source
        reads = before.choices["optimizer"].alternative.reads, after.choices["optimizer"].alternative.reads
        assert [name for name in reads[0] if reads[0][name] != reads[1][name]] == [edited]
    (folder / edited).write_text(files[edited], encoding="utf-8")
    assert plan().id == before.id


def test_where_a_folder_lies_is_no_part_of_a_run(
    folder: Path, plan: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, *IMPORTED["a file that the import of a module reads"])
    before = plan().id
    below = folder / "elsewhere"
    below.mkdir()
    for name in ("numbers", "aide.py", "plugin.py"):
        (folder / name).rename(below / name)
    monkeypatch.syspath_prepend(below)
    REGISTRY.forget(str(folder / "plugin.py"))
    load_file(REGISTRY, below / "plugin.py")
    run = make_plan(resolve(read_spec(read_text(SPEC, "spec.toml", ())), REGISTRY), "cpu").runs[0]
    assert run.id == before


LOOKS_AT_LINES = "import linecache\nlinecache.getlines(__file__.replace('plugin.py', 'aide.py'))\n"
READS_XPRUN = "import xprun.plugins.registry as own\nopen(own.__file__).close()\n"


@pytest.mark.parametrize(
    "imports",
    [
        "",
        "import json\n",
        "import numpy, math\n",
        "from xprun.plugins import Positive\n",
        LOOKS_AT_LINES,  # as torch does with the lines of all callers, while it is imported
        READS_XPRUN,
    ],
)
def test_a_plugin_that_imports_nothing_of_the_users_is_known_by_its_own_text(
    imports: str, folder: Path, plan: Callable[[], Run]
) -> None:
    linecache.clearcache()
    write(folder, imports + RULE.format("1"), {"aide.py": "FACTOR = 1"})
    assert not plan().choices["optimizer"].alternative.reads


def test_what_is_only_imported_for_types_is_no_part_of_a_run(folder: Path, plan: Callable[[], Run]) -> None:
    guard = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import aide\n"
    write(folder, guard + RULE.format("1"), {"aide.py": "FACTOR = 1"})
    assert not plan().choices["optimizer"].alternative.reads


def test_of_an_installed_distribution_the_version_counts(folder: Path, plan: Callable[[], Run]) -> None:
    write(folder, "import pytest, hypothesis\n" + RULE.format("1"), {})
    reads = dict(plan().choices["optimizer"].alternative.reads)
    reads.pop("")
    assert reads == {"pytest": pytest.__version__, "hypothesis": __import__("hypothesis").__version__}


def test_a_module_in_an_archive_counts(folder: Path, plan: Callable[[], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "import aide\n" + RULE.format("aide.FACTOR"), {})
    monkeypatch.syspath_prepend(folder / "aides.zip")

    def pack(text: str) -> None:
        with zipfile.ZipFile(folder / "aides.zip", "w") as archive:
            archive.writestr("aide.py", text)

    pack("FACTOR = 1")
    assert "aide.py" in plan().choices["optimizer"].alternative.reads


def test_a_compiled_module_counts_by_its_bytes(folder: Path, plan: Callable[[], Run]) -> None:
    ending = EXTENSION_SUFFIXES[0]
    compiled = next(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob(f"*{ending}"))
    name = compiled.name.removesuffix(ending)
    write(folder, f"def later():\n    import parts.{name}\n" + RULE.format("1"), {"parts/__init__.py": ""})
    shutil.copy(compiled, folder / "parts")
    before = plan()
    shown = f"parts/{name}.so"
    assert shown in before.choices["optimizer"].alternative.reads
    (folder / "parts" / compiled.name).write_bytes(compiled.read_bytes() + b"another build")
    assert plan().id != before.id


def test_what_cannot_be_looked_at_is_told(folder: Path, plan: Callable[[], Run]) -> None:
    lazily = "import importlib\ndef factor(name):\n    return importlib.import_module(name).FACTOR\n"
    write(folder, lazily + RULE.format("factor('aide')"), {"aide.py": "FACTOR = 1"})
    (told,) = plan().choices["optimizer"].alternative.not_read
    assert told == "what plugin.py:4 imports under a computed name"


@pytest.mark.parametrize("name", ["points.csv", "numbers/points.npz", "./text.txt"])
def test_a_file_that_a_rule_names_and_its_import_does_not_read_is_told(
    name: str, folder: Path, plan: Callable[[], Run]
) -> None:
    (folder / "numbers").mkdir()
    (folder / name).touch()
    rule = RULE.format(f"len(open({name!r}).read())")
    write(folder, rule, {})
    assert plan().choices["optimizer"].alternative.not_read == (f"{name}, which plugin.py:6 names",)
    (folder / name).unlink()
    assert not plan().choices["optimizer"].alternative.not_read


@pytest.mark.parametrize("value", ["points", "points/a.npz", "points/a.csv"])
def test_a_file_that_a_setting_names_without_saying_so_is_told(
    value: str, folder: Path, plan: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "points").mkdir()
    for name in ("a.npz", "a.csv"):
        (folder / "points" / name).touch()
    write(folder, RULE.replace("lr=0.1", f"lr=0.1, root: str = {value!r}, kind: str = 'none'").format("1"), {})
    told = f"{value}, which the setting root of mine names (SpecFile and Folder are looked at)"
    assert told in plan().choices["optimizer"].alternative.not_read


def test_a_worker_executes_the_modules_as_they_were(folder: Path, plan: Callable[[], Run]) -> None:
    write(folder, *IMPORTED["what is imported itself"])
    plan()
    (plugin,) = as_executed(REGISTRY, [folder / "plugin.py"])
    (folder / "inner.py").write_text("FACTOR = 2", encoding="utf-8")
    for name in ("aide", "inner"):
        del sys.modules[name]  # as in another process
    load_file(REGISTRY, plugin)
    assert REGISTRY.find("optimizer", "mine").load()(3.0, 1.0, lr=1.0) == 2.0


def test_a_worker_refuses_a_file_that_was_changed_since(folder: Path, plan: Callable[[], Run]) -> None:
    write(folder, *IMPORTED["a file that its import reads"])
    plan()
    (plugin,) = as_executed(REGISTRY, [folder / "plugin.py"])
    load_file(REGISTRY, plugin)
    (folder / "f.txt").write_text("2", encoding="utf-8")
    with pytest.raises(Exception, match=r"^f.txt changed while the grid was running; run it again$"):
        load_file(REGISTRY, plugin)


def test_a_module_with_a_mistake_is_told_with_its_plugin(folder: Path, plan: Callable[[], Run]) -> None:
    write(folder, "import aide\n" + RULE.format("1"), {"aide.py": "FACTOR ="})
    with pytest.raises(PluginError, match=r"plugin.py:2: the plugin cannot be imported: SyntaxError"):
        plan()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('open(HERE / "factor.dat")', "factor.dat"),
        ('open(HERE / "assets" / "deep.dat")', "deep.dat"),
        ('open(HERE / "assets" / "more" / "deepest.dat")', "deepest.dat"),
    ],
)
def test_a_file_that_a_rule_opens_when_it_is_called_is_said_not_to_be_looked_at(
    folder: Path, plan: Callable[[], Run], code: str, name: str
) -> None:
    where = {"factor.dat": "", "deep.dat": "assets/", "deepest.dat": "assets/more/"}[name]
    place = folder / f"{where}{name}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("1", encoding="utf-8")
    plugin = f"from pathlib import Path\nHERE = Path(__file__).parent\ndef later():\n    return {code}\n"
    write(folder, plugin + RULE.format("1"), {})
    assert any(name in told for told in plan().choices["optimizer"].alternative.not_read)
