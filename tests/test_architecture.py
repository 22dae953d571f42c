"""The dependency direction of the folders is law, and the light parts stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parent.parent
# The folders of each package, from the ground up: none imports from a floor above its own, nor from another folder on
# its floor. A package's own modules are its top floor, if they are not told otherwise here.
FLOORS = {
    "specs": ["language", "."],
    "plugins": [
        ".",
        "backends datasets losses metrics observers plots models optimizers schedulers searches torch_api/generated",
        "objectives",
        "torch_api",
        "discovery.py",
    ],
    "runner": [
        "results process",
        "resolve",
        "planning",
        "store workers",
        "workload",
        "engine/programs",
        "engine",
        "execution",
        "launchers",
        "outputs",
        "visuals",
        "status optimizer_check bench exports",
        ".",
        "cli",
    ],
    "reports": [
        "presentation",
        "data",
        "stats",
        "figures text",
        "sections",
        "page",
        ".",
        "live",
    ],
    "api": ["errors.py optional_imports.py", "results.py launching.py", "."],
}
# Which packages each one may import, and what heavy ones it must not. `api` is the root package, above the others.
PACKAGES = {
    "specs": set(),
    "plugins": set(),
    "runner": {"specs", "plugins"},
    "reports": set(),
    "api": {"specs", "plugins", "runner", "reports"},
}
GROUND = ROOT / "api" / "errors.py"  # the base of all errors, which every package may import
# What a place may know beyond that: the command line makes reports; reports share the schema of what they read, and
# small tools that know no more; `xprun.runner.run` is where programs have found `xprun.run` since ever.
ALLOWED = {
    "runner/cli": ("xprun.reports",),
    "runner/__init__.py": ("xprun",),
    "reports": (
        "xprun.runner.results.class_names",
        "xprun.runner.results.results_schema",
        "xprun.runner.results.paired_test",
        "xprun.runner.results.rounding",
        "xprun.runner.results.setting_choice",
        "xprun.runner.results.what_shows",
        "xprun.runner.results.atomic_files",
    ),
}
HEAVY = {
    "specs": {"torch", "pandas", "seaborn"},
    "plugins": {"pandas", "seaborn"},
    "runner": {"seaborn"},
    "reports": {"torch"},
    "api": {"torch", "seaborn"},
}


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "plugin_template" not in path.parts)


def imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name for name in below if name.startswith("xprun.") and _path(name)]
            yield from found or [node.module]


def _path(module: str) -> Path | None:
    """Return the file or folder of a module of xprun; what is in no other package is in the root package, `api`."""
    parts = module.split(".")[1:]
    path = ROOT.joinpath(*parts) if parts and parts[0] in PACKAGES else ROOT.joinpath("api", *parts)
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path if path.is_dir() else None


def floor_of(path: Path) -> tuple[int, str]:
    """Return the floor of a file or folder, and the place on it that it belongs to."""
    package, *_ = path.relative_to(ROOT).parts
    inside = path.relative_to(ROOT / package).as_posix()
    places = {place: number for number, floor in enumerate(FLOORS[package]) for place in floor.split()}
    fitting = [place for place in places if inside == place or inside.startswith(f"{place}/")]
    place = max(fitting, key=len, default=".")
    return places[place], place


def upward(file: Path, found: Iterable[str]) -> Iterator[str]:
    """Yield the imports of a file that lead up, or across its floor."""
    package = file.relative_to(ROOT).parts[0]
    own, place = floor_of(file)
    for name in found:
        target = _path(name) if name.partition(".")[0] == "xprun" else None
        if target is not None and target.is_relative_to(ROOT / package):
            floor, other = floor_of(target)
            if floor > own or (floor == own and other != place):
                yield f"{file.relative_to(ROOT)} imports {name}"


def across(file: Path, found: Iterable[str]) -> Iterator[str]:
    """Yield the imports of a file that reach into a package, of ours or a heavy one, which it must not know."""
    relative = file.relative_to(ROOT)
    package = relative.parts[0]
    for name in found:
        banned = name.partition(".")[0] in HEAVY[package]
        target = _path(name) if name.partition(".")[0] == "xprun" else None
        if target is not None and target != GROUND:
            other = target.relative_to(ROOT).parts[0]
            banned = other not in {package, *PACKAGES[package]} and not _is_allowed(relative.as_posix(), name)
        if banned:
            yield f"{relative} imports {name}"


def _is_allowed(file: str, name: str) -> bool:
    here = [names for place, names in ALLOWED.items() if f"{file}/".startswith(f"{place}/")]
    return any(f"{name}.".startswith(f"{known}.") for names in here for known in names)


@pytest.mark.parametrize("package", FLOORS)
def test_imports_follow_the_dependency_direction(package: str) -> None:
    assert [wrong for file in modules(package) for wrong in across(file, imports(file))] == []


def test_each_folder_of_code_is_a_package_that_is_installed() -> None:
    """In a clone all of them are found; what is left out of the list is missing in a wheel alone."""
    said = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {file.parent.relative_to(ROOT).parts for package in PACKAGES for file in modules(package)}
    assert sorted(said) == sorted(".".join(("xprun", *(folder if folder != ("api",) else ()))) for folder in folders)


@pytest.mark.parametrize("package", FLOORS)
def test_no_folder_imports_from_a_floor_above(package: str) -> None:
    faces = {ROOT / package / "__init__.py"}  # it hands on what is below, and is imported by those outside
    assert [wrong for file in modules(package) if file not in faces for wrong in upward(file, imports(file))] == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("runner/store/lock.py", "xprun.runner.engine"),
        ("runner/engine/planted.py", "xprun.runner.execution.worker_context"),
        ("runner/store/planted.py", "xprun.runner.workers"),  # another folder on the same floor
        ("runner/results/planted.py", "xprun.runner.experiment"),
        ("reports/stats/planted.py", "xprun.reports.page.report_page"),
        ("specs/language/planted.py", "xprun.specs"),
        ("plugins/datasets/planted.py", "xprun.plugins.models.classics"),
        ("api/errors.py", "xprun.results"),
        ("api/results.py", "xprun.running"),
    ],
)
def test_an_import_upward_or_across_would_be_found(file: str, name: str) -> None:
    assert list(upward(ROOT / file, [name]))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("specs/language/planted.py", "xprun.plugins"),
        ("plugins/planted.py", "xprun.runner.experiment"),
        ("reports/stats/planted.py", "xprun.runner.experiment"),
        ("reports/stats/planted.py", "xprun.runner.results.outcome"),
        ("runner/outputs/planted.py", "xprun.reports"),
        ("runner/engine/planted.py", "xprun.reports"),
        ("reports/planted.py", "torch.nn"),
        ("runner/planted.py", "xprun.results"),
        ("runner/cli/planted.py", "xprun.running"),
        ("specs/language/planted.py", "xprun"),  # as in `from xprun import Error`
        ("reports/page/planted.py", "xprun.runner"),
        ("api/planted.py", "torch"),
    ],
)
def test_an_import_of_another_package_would_be_found(file: str, name: str) -> None:
    assert list(across(ROOT / file, [name]))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_may_import_the_base_of_errors(package: str) -> None:
    assert list(across(ROOT / package / "planted.py", ["xprun.errors"])) == []


def test_every_folder_has_its_floor() -> None:
    told = {(package, place) for package, floors in FLOORS.items() for floor in floors for place in floor.split()}
    folders = {file.parent.relative_to(ROOT) for package in FLOORS for file in modules(package)}
    assert {(f.parts[0], Path(*f.parts[1:]).as_posix()) for f in folders} <= told
    assert all((ROOT / package / place).exists() for package, place in told)


def test_the_name_of_a_module_means_one_thing() -> None:
    names = [file.name for package in FLOORS for file in modules(package) if file.name != "__init__.py"]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_there_is_no_folder_that_would_shadow_the_installed_package() -> None:
    assert not (ROOT / "xprun").exists()


# A gradient by hand is compared with autograd's, groups with the parameters of the model, and models are looked at that
# another framework is to train.
NEEDS_TORCH = {"three_gradients", "sonnets_recipe", "thermometer_tensorflow", "three_gradients_tensorflow"}
LIGHT = [
    ["--help"],
    ["check", "good.toml"],
    ["check", "broken.toml"],
    ["check", "good.toml", "--set", "optimizer.lr=[0.1, -1]"],
    ["check", "--json", "broken.toml"],
    ["check", *sorted({path.stem for path in (ROOT / "specs").glob("*.toml")} - NEEDS_TORCH)],
    ["ls"],
]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_commands_import_no_heavy_package(arguments: list[str], tmp_path: Path, line_spec: str) -> None:
    (tmp_path / "good.toml").write_text(line_spec, encoding="utf-8")
    (tmp_path / "broken.toml").write_text(line_spec.replace("lr", "rl"), encoding="utf-8")
    program = (
        "import sys; from xprun.runner.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'pandas', 'seaborn', 'matplotlib', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_parser_with_positions_is_imported_only_for_an_error(tmp_path: Path, line_spec: str) -> None:
    (tmp_path / "good.toml").write_text(line_spec, encoding="utf-8")
    program = (
        "import sys; from xprun.runner.cli.main import main\n"
        "try: main(['check', 'good.toml'])\n"
        "except SystemExit: pass\n"
        "assert 'tree_sitter' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True)
