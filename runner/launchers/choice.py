"""Which launcher carries out an experiment, and with which settings: from the command line, or from a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tomli
from pydantic import ValidationError
from xprun.errors import Error
from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import Component, Registry, UnknownComponentError
from xprun.runner.launchers.built_in import EXTRAS, LOCAL, most_jobs
from xprun.runner.workload.devices import anywhere, kind_of, pick
from xprun.specs.language.wording import did_you_mean, show, value_problems
from xprun.specs.language.writer import toml_value


class LauncherSettingsError(Error, ValueError):
    """There is no such launcher, or it does not take such settings."""

    exit_code = 2


class LauncherError(Error):
    """A launcher cannot be used here: its package is absent, its cluster is not reached, or it does not do its part."""

    exit_code = 3
    context = "{spec}: "


@dataclass(frozen=True)
class Launcher:
    """A launcher and the settings that it was given, each with its type."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether it trains on this machine, on the device that is chosen here."""
        return self.name in LOCAL

    @property
    def wants_gpus(self) -> bool:
        """Whether it asks for GPUs, so that the device "auto" stands for cuda."""
        return bool(self.settings.get("gpus"))

    @property
    def places(self) -> int | None:
        """How many parts it trains at a time at most, as far as its settings tell."""
        if self.name == "slurm":
            most = most_jobs(self.settings.get("jobs"), self.settings.get("cluster", "slurm"))
            return min(most, self.settings.get("at_once") or most)
        return self.settings.get("tasks") if self.name == "ray" else None

    def __str__(self) -> str:
        """Return it as it is written for `--launcher`."""
        settings = ", ".join(f"{name} = {toml_value(value)}" for name, value in self.settings.items())
        return f'{{ name = "{self.name}", {settings} }}' if settings else self.name


def planned_device(launcher: Launcher | None, wanted: str) -> str:
    """Return the device that runs are trained on: one of this machine, or a kind of those that a launcher finds.

    Raises DeviceError for one that is absent, and for what is no device at all.
    """
    if launcher is None or launcher.is_local:
        return pick(wanted)
    if wanted == "auto":
        return "cuda" if launcher.wants_gpus else kind_of(pick(wanted))
    return anywhere(wanted)


Given = str | Mapping[str, Any] | None  # a name, `{ name = "ray", cpus = 2 }` as text or as a table, or nothing


def choose(given: Given, registry: Registry, project: Given = None) -> Launcher | None:
    """Return the launcher that was asked for, else that of the project; None where nobody asks for one.

    Settings of the project hold for the same launcher unless others are given. Raises LauncherSettingsError for a name
    or a setting that is none, LauncherError where the package is absent that it needs, and PluginError.
    """
    asked, of_project = _read(given, "--launcher"), _read(project, "[tool.xprun] launcher")
    if asked is None and of_project is None:
        return None
    name, settings = asked or of_project or ("", {})
    if of_project and of_project[0] == name:
        settings = of_project[1] | settings
    component = _find(registry, name)
    chosen = Launcher(name, _typed(component, settings))
    package = EXTRAS.get(name)
    if package and component.origin.source == "built-in" and find_package(package) is None:
        raise LauncherError(f"the launcher {name} needs {package}: pip install 'xprun[{name}]'")
    return chosen


def _read(given: Given, where: str) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the settings of what was given."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = tomli.loads(f"launcher = {given}")["launcher"]
        except (tomli.TOMLDecodeError, RecursionError) as error:
            raise LauncherSettingsError(f"{where}: invalid TOML: {error}") from None
    if given is None or given == "":
        return None
    table = {"name": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
        like = 'a name, or a table with one: { name = "ray", cpus = 2 }'
        raise LauncherSettingsError(f"{where} must be {like}, not {show(given)}")
    return table["name"], {key: value for key, value in table.items() if key != "name"}


def _find(registry: Registry, name: str) -> Component:
    try:
        return registry.find("launcher", name)
    except UnknownComponentError as error:
        broken = f"; broken plugins: {'; '.join(error.broken)}" if error.broken else ""
        known = did_you_mean(name, error.known) or f"; there are {', '.join(sorted(error.known))}"
        raise LauncherSettingsError(f"{error}{known}{broken}") from None


def _typed(component: Component, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings in their types; raise LauncherSettingsError that names everything wrong with them."""
    wrong, typed, schema = [], {}, component.schema
    for name, value in settings.items():
        if name not in schema:
            takes = f"; it takes {', '.join(schema)}" if schema else "; it takes none"
            wrong.append(f"there is no setting {name!r}{did_you_mean(name, schema) or takes}")
            continue
        try:
            typed[name] = schema[name].read(value)
        except ValidationError as error:
            wrong += [f"{problem.dotted}: {problem.message}" for problem in value_problems(error, (name,), value)]
    wrong += [f"{name} is required" for name, one in schema.items() if one.required and name not in settings]
    if not wrong:
        wrong = [f"{name}: {message}" for name, message in component.faults_of(typed)]
    if wrong:
        raise LauncherSettingsError(f"launcher {component.name}: {'; '.join(wrong)}")
    return typed
