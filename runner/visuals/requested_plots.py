"""The plots that a spec asks for beside those of the report, ready to be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any

from xprun.plugins.component_reads import reads_of
from xprun.plugins.error_words import words_of
from xprun.plugins.registry import PluginError, Registry, UnknownComponentError
from xprun.plugins.user_signals import noted_signals
from xprun.specs.language.wording import did_you_mean


@dataclass(frozen=True)
class AskedPlot:
    """A plot of a report. `draw` takes tables by name; `fingerprint` identifies its source."""

    name: str
    title: str
    caption: str
    draw: Callable[..., Any]
    fingerprint: str = ""


def asked_plots(folder: Path, registry: Registry) -> list[AskedPlot]:
    """Return the plots that the spec of an output folder asked for, as `resolved.json` says.

    One that is not there, or whose plugin is broken, says so when it is drawn: the rest of a report stands without it.
    """
    try:
        resolved = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
        asked: Iterable[dict[str, Any]] = resolved["compare"].get("plots") or []
        return [_plot(dict(item), registry) for item in asked if isinstance(item["name"], str)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []  # the report says what is wrong with the folder


def _plot(settings: dict[str, Any], registry: Registry) -> AskedPlot:
    name, label = settings.pop("name"), settings.pop("label", "")
    try:
        component = registry.find("plot", name)
    except UnknownComponentError as error:
        help_text = did_you_mean(name, error.known) or "; give its file with --plugin"
        return AskedPlot(name, label or name, "", partial(_refuse, f"{error}{help_text}"))
    except PluginError as error:
        return AskedPlot(name, label or name, "", partial(_refuse, str(error)))
    caption = " ".join(component.doc.partition("\n\n")[0].split())
    made_of = " ".join([component.fingerprint, *reads_of(registry, component).digests.values()])
    return AskedPlot(name, label or name, caption, _guarded(partial(component.load(), **settings)), made_of)


def _guarded(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that draws, and raises PluginError for what is no Exception, such as SystemExit."""

    @wraps(draw)
    def guarded(*tables: Any) -> Any:
        with noted_signals() as signals:
            try:
                return draw(*tables)
            except Exception:
                raise
            except BaseException as error:
                if signals:
                    raise
                raise PluginError(f"it raises {type(error).__name__}: {words_of(error)}") from error

    guarded.__signature__ = signature(draw)  # type: ignore[attr-defined]
    return guarded


def _refuse(message: str) -> None:
    raise LookupError(message)
