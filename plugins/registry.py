"""The registry: a flat name of a kind stands for one component, whose signature is its schema."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from xprun.errors import Error
from xprun.plugins.contracts import misfit
from xprun.plugins.error_words import words_of
from xprun.plugins.fingerprints import of_earlier_text
from xprun.plugins.followed_imports import Reads
from xprun.plugins.kinds import KINDS, PARTS
from xprun.plugins.own_modules import OpenedFile, OwnModule
from xprun.plugins.signature import Setting, read_settings
from xprun.plugins.user_signals import noted_signals

Function = TypeVar("Function", bound=Callable[..., Any])


Check = Callable[..., Iterable[tuple[str, str]]]
LONGEST_NAME = 100  # characters
OBJECTIVE = "objective"


class Decorator(Protocol):
    def __call__(
        self,
        name: str,
        *,
        goal: str = "min",
        check: Check | None = None,
        parts: Sequence[str] = (),
        packages: Sequence[str] = (),
        sums: bool = False,
    ) -> Callable[[Function], Function]: ...


class PluginError(Error):
    """A plugin is broken: it cannot be imported, or two of them claim one name."""

    exit_code = 3
    context = "{spec}: "


class NameTakenError(PluginError):
    """Two plugins register the same name."""

    def __init__(self, first: Component, second: Component) -> None:
        self.kind, self.name = second.kind, second.name
        origins = f"{first.origin} and {second.origin}"
        super().__init__(f"two plugins register the {self.kind} {self.name!r}: {origins}")


class UnknownComponentError(Error, LookupError):
    """No component of that kind has that name; `known` lists those that exist, `broken` the plugins that might.

    `why` is the reason where a name that people may expect was left out on purpose.
    """

    exit_code = 2

    def __init__(self, kind: str, name: str, known: list[str], broken: list[str], why: str = "") -> None:
        super().__init__(f"there is no {kind} named {name!r}")
        self.kind, self.name, self.known, self.broken, self.why = kind, name, known, broken, why


class Plugin(Protocol):
    """A source of components that is imported when one of its names is asked for."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def loaded(self) -> bool: ...
    @property
    def in_use(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    def may_be(self, name: str) -> bool: ...
    def load(self, registry: Registry) -> None: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a component comes from: its source (`built-in`, `torch.optim`, a file) and its definition's place."""

    source: str
    module: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.source} ({self.module}, {self.file}:{self.line})" if self.line else self.source

    def is_replaced_by(self, other: Origin) -> bool:
        """Whether the other is the same definition again; in a notebook, where cells are run anew, any later one."""
        return self == other or self.module == other.module == "__main__"


@dataclass(frozen=True)
class PluginFile:
    """A file of components as it was read: who has this goes on with that text, whatever is edited meanwhile.

    And with the texts of the `modules` that it imports; `opened` are files that its import has opened.
    """

    path: Path
    text: bytes
    modules: tuple[OwnModule, ...] = ()
    opened: tuple[OpenedFile, ...] = ()


@dataclass(frozen=True)
class Component:
    """One registered component.

    `signature` is a callable whose keyword-only parameters are the settings; it imports nothing. `load` returns
    the callable that does the work and may import torch. `fingerprint` identifies the source that was imported.
    """

    kind: str
    name: str
    origin: Origin
    signature: Callable[..., Any]
    load: Callable[[], Any]
    fingerprint: str
    goal: str = "min"  # of a metric: whether less ("min") or more ("max") is better; "none" for a matrix
    check: Check | None = None  # takes the settings, yields (setting, what is wrong); must not import torch
    parts: tuple[str, ...] = ()  # of a data set: which of "valid" and "test" its table always brings
    made_in: str = ""  # the module that has registered it
    is_objective: bool = False  # of a model: whether it brings its own data and loss
    packages: tuple[str, ...] = ()  # that it imports when it is called, and whose versions decide its results
    sums: bool = False  # of a loss: whether it adds up over the rows of a batch, where it has no setting `reduction`

    @cached_property
    def settings(self) -> dict[str, Setting]:
        return read_settings(self.signature)

    @cached_property
    def schema(self) -> dict[str, Setting]:
        """Its own settings, then those of its kind, for which its own may stand in."""
        return {**self.settings, **KINDS[self.kind].common_settings, **self.settings}

    def faults_of(self, settings: dict[str, Any]) -> list[tuple[str, str]]:
        """Return what its own check finds wrong with settings; raise PluginError where the check itself breaks."""
        if self.check is None:
            return []
        with noted_signals() as signals:
            try:
                return [(str(setting), str(message)) for setting, message in self.check(**settings)]
            except BaseException as error:
                if signals:
                    raise
                why = f"{type(error).__name__}: {words_of(error)}".rstrip(": ")
                raise PluginError(f"the check of the {self.kind} {self.name!r}, {self.origin}, fails: {why}") from error

    @property
    def returns(self) -> str:
        """The name of what the component says it returns, or nothing."""
        annotation = getattr(self.signature, "__annotations__", {}).get("return", "")
        return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")

    @property
    def doc(self) -> str:
        return inspect.cleandoc(self.signature.__doc__ or "")  # not what a class inherits


class Registry:
    """All components by kind and name, and the plugins that hold further ones until they are imported."""

    def __init__(self) -> None:
        self._components: dict[str, dict[str, Component]] = {kind: {} for kind in KINDS}
        self.plugins: list[Plugin] = []
        self.declined: dict[tuple[str, str], str] = {}  # (kind, name) that people may expect: why there is none
        self.absent: dict[
            str, str
        ] = {}  # by what names of a package that is not installed begin with: how to install it
        self.contested: dict[tuple[str, str], str] = {}  # (kind, name) that two plugins register: who they are
        self.files: dict[str, PluginFile] = {}  # by path: what was executed
        self.complaints: list[str] = []  # what is wrong with distributions, so that they could not be read well
        self.reads: dict[str, Reads] = {}  # by path: what a file of components reads beside its own text
        self._source, self._release, self._module = "", "", ""

    def add(self, component: Component) -> None:
        """Register a component; the same name twice is an error that shows both origins."""
        self._refuse_taken(component)
        self._components[component.kind][component.name] = component

    def _refuse_taken(self, component: Component) -> None:
        other = self._components[component.kind].get(component.name)
        if other is not None and not other.origin.is_replaced_by(component.origin):
            raise NameTakenError(other, component)

    def find(self, kind: str, name: str) -> Component:
        """Return the component, after importing the plugins that may hold it.

        Raises UnknownComponentError when there is none, and PluginError when its plugin is broken or two claim it.
        """
        self._import_for(name, kind)
        if (kind, name) in self.contested:
            raise PluginError(self.contested[kind, name])
        if name in self._components[kind]:
            return self._components[kind][name]
        broken, why = [_of_broken(plugin) for plugin in self.broken()], self._why_not(kind, name)
        raise UnknownComponentError(kind, name, self.names(kind), broken, why)

    def _why_not(self, kind: str, name: str) -> str:
        """Return why there is no component of a name that people may expect, or nothing."""
        cures = [cure for home, cure in self.absent.items() if name.startswith(f"{home}.")]
        return self.declined.get((kind, name)) or next((f"its package is not installed: {cure}" for cure in cures), "")

    def find_any(self, name: str) -> list[Component]:
        """Return the components of that name, of whatever kind; raise PluginError as `find` does."""
        self._import_for(name, *KINDS)
        return [self.find(kind, name) for kind, known in self._components.items() if name in known]

    def _import_for(self, name: str, *kinds: str) -> None:
        """Import the plugins that are called as a component is, and only if that does not help the others."""
        if self._import_namesakes(name, kinds):
            return
        self.import_plugins(kinds)
        broken = [plugin for plugin in self.broken() if plugin.may_be(name)]
        if broken and not self._has(name, kinds):
            raise PluginError(f"{name!r} is missing because a plugin is broken: {_of_broken(broken[0])}")

    def _import_namesakes(self, name: str, kinds: tuple[str, ...]) -> bool:
        for plugin in self.plugins:
            if plugin.may_be(name):
                plugin.load(self)
        return self._has(name, kinds)

    def _has(self, name: str, kinds: tuple[str, ...]) -> bool:
        return any(name in self._components[kind] for kind in kinds)

    def import_plugins(self, kinds: Iterable[str] = ()) -> None:
        """Import all plugins, or those that may hold something of these kinds; broken ones have a reason afterwards."""
        for plugin in self.plugins:
            own = getattr(plugin, "kinds", None)  # those of most may hold anything
            if not kinds or own is None or own & set(kinds):
                plugin.load(self)

    def broken(self) -> list[Plugin]:
        """Return the plugins whose import has failed."""
        return [plugin for plugin in self.plugins if plugin.reason]

    def names(self, kind: str) -> list[str]:
        return sorted(self._components[kind])

    def components(self, kind: str | None = None) -> list[Component]:
        kinds = [kind] if kind else list(KINDS)
        return [self._components[k][name] for k in kinds for name in self.names(k)]

    def decorator(self, kind: str) -> Decorator:
        """Return the decorator `@kind("name")`, which registers a function and gives it back unchanged.

        An "objective" is registered as a model.
        """
        home = "model" if kind == OBJECTIVE else kind

        def named(
            name: str,
            *,
            goal: str = "min",
            check: Check | None = None,
            parts: Sequence[str] = (),
            packages: Sequence[str] = (),
            sums: bool = False,
        ) -> Callable[[Function], Function]:
            if not isinstance(name, str):
                raise TypeError(f'write @{kind}("name"): the name under which specs find this component')
            if not name.isprintable() or name != name.strip() or not 0 < len(name) <= LONGEST_NAME:
                raise ValueError(
                    f"{name[:LONGEST_NAME]!r} is not a valid name: write one line of 1 to {LONGEST_NAME} characters"
                )
            if set(parts) - set(PARTS if kind == "data" else ()) or isinstance(parts, str):
                raise ValueError(f'parts of {name!r} are rows of a data set: parts=("valid",), ("test",) or both')
            if isinstance(packages, str) or (packages and kind != "backend"):
                raise ValueError(f'packages of {name!r} are what a backend imports: packages=("jax",)')
            if sums and kind != "loss":
                raise ValueError(f"sums of {name!r} says that a loss adds up over the rows of a batch: @loss(...)")

            def register(function: Function) -> Function:
                made_in = self._module or sys._getframe(1).f_globals.get("__name__", "")
                origin = self._origin_of(function)
                executed = self.files.get(origin.file)
                fingerprint = (
                    _fingerprint(executed.text) if executed else fingerprint_of(function, origin.file, self._release)
                )
                made = Component(
                    *(home, name, origin, function, lambda: function, fingerprint),
                    *(goal, check, tuple(parts), made_in, kind == OBJECTIVE, tuple(packages)),
                    sums=sums,
                )
                self._refuse_taken(made)
                if wrong := misfit(made):
                    raise PluginError(wrong)
                self.add(made)
                return function

            return register

        return named

    @contextmanager
    def attributing(self, source: str, release: str = "", module: str = "") -> Iterator[None]:
        """Give what is registered inside this source as its origin; the `release` is part of its fingerprint.

        `module`: the one whose import registers it.
        """
        before = self._source, self._release, self._module
        self._source, self._release, self._module = source, release, module
        try:
            yield
        finally:
            self._source, self._release, self._module = before

    @property
    def has_run_foreign_code(self) -> bool:
        """Whether code of a file of components, or of a package that knows xprun or not, has been run for this one."""
        return bool(self.files) or any(plugin.in_use or plugin.reason for plugin in self.plugins)

    def copy(self) -> Registry:
        """Return an independent registry with the same components."""
        twin = Registry()
        twin.restore(self)
        return twin

    def restore(self, other: Registry) -> None:
        """Forget everything and take over the components of `other`."""
        self._components = {kind: dict(known) for kind, known in other._components.items()}
        self.plugins, self.contested = list(other.plugins), dict(other.contested)
        self.declined, self.absent, self.files = dict(other.declined), dict(other.absent), dict(other.files)
        self.reads = dict(other.reads)

    def forget(self, source: str) -> None:
        """Forget the components that come from a source."""
        for known in self._components.values():
            for name in [name for name, component in known.items() if component.origin.source == source]:
                del known[name]

    def _origin_of(self, function: Callable[..., Any]) -> Origin:
        inner = inspect.unwrap(function)
        code = getattr(inner, "__code__", None)
        file = code.co_filename if code else inspect.getfile(inner)
        line = code.co_firstlineno if code else inspect.getsourcelines(inner)[1]
        own = "built-in" if function.__module__.startswith("xprun.") else function.__module__
        return Origin(self._source or own, function.__module__, file, line)


def _of_broken(plugin: Plugin) -> str:
    return f"{plugin.name} of {plugin.source}: {plugin.reason}"


def fingerprint_of(function: Callable[..., Any], file: str, release: str) -> str:
    """Return a hash of a component's source: of its file, or of itself where it was typed into a notebook.

    Raises PluginError where there is no source to be read, because a change of it would go unnoticed.
    """
    if Path(file).is_file():
        return fingerprint_of_file(file, release)
    try:
        return _fingerprint(inspect.getsource(function).encode())
    except OSError:
        raise PluginError(f"{function.__qualname__} has no readable source; write it to a file") from None


def fingerprint_of_file(file: str, release: str = "") -> str:
    """Return a hash of a source file as it is now, which is as it was imported: a result depends on its text.

    The `release` of its distribution stands for the files that it imports.
    """
    return of_earlier_text(_fingerprint(Path(file).read_bytes() + release.encode()))


def _fingerprint(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


REGISTRY = Registry()

data = REGISTRY.decorator("data")
transform = REGISTRY.decorator("transform")
model = REGISTRY.decorator("model")
objective = REGISTRY.decorator(OBJECTIVE)
layer = REGISTRY.decorator("layer")
init = REGISTRY.decorator("init")
loss = REGISTRY.decorator("loss")
optimizer = REGISTRY.decorator("optimizer")
scheduler = REGISTRY.decorator("scheduler")
metric = REGISTRY.decorator("metric")
observer = REGISTRY.decorator("observer")
launcher = REGISTRY.decorator("launcher")
plot = REGISTRY.decorator("plot")
search = REGISTRY.decorator("search")
backend = REGISTRY.decorator("backend")
