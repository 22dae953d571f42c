"""What the id of a run is made of: kept with its result, so that it can be told why another run is not cached."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from xprun.specs import Choice, Run, apart_from_seeds
from xprun.specs.language.identity import identity_of
from xprun.specs.language.wording import plural

# "device", "seed", and of each section and "run" the name, the source, the settings and, where a source has several
# parts, `HASH NAME` of each.
Origin = dict[str, Any]
NAME, SETTINGS, READS = 0, 2, 3


def origins_of(runs: Iterable[Run], device_kind: str) -> dict[str, str]:
    """Return by run what its id on a kind of device is made of, as JSON; hashes stand for sources and settings."""
    found: dict[str, str] = {}
    latest, text = None, ""
    for run in runs:
        if latest is None or run.choices is not latest.choices or run.run_choice is not latest.run_choice:
            latest, text = run, json.dumps(_without_seed(run, device_kind), sort_keys=True)
        found[run.id] = f'{text[:-1]}, "seed": {run.seed}}}'  # the last key in their order
    return found


def why_to_run(runs: Iterable[Run], device_kind: str, stored: Mapping[str, str]) -> list[str]:
    """Return why runs are not cached, from the stored origins by run id.

    For example `20 runs with new settings`, `5 runs with new seeds`, `1 run: the source of scratch.adam changed`,
    `1 run: helpers.py changed, which mine.rule reads`.
    """
    known: list[Origin] = [origin for text in stored.values() if (origin := json.loads(text))]
    same_but_sources = {_without_sources(origin): origin for origin in known}
    same_but_seed, same_but_device = ({_without(key, origin) for origin in known} for key in ("seed", "device"))

    def reason(run: Run) -> str:
        if run.id in stored:
            return " that lacked files on this machine"
        origin = _origin(run, device_kind)
        if twin := same_but_sources.get(_without_sources(origin)):
            return f": {_what_changed(origin, twin)}"
        if _without("device", origin) in same_but_device:
            return f" not yet run on {device_kind}"
        return " with new seeds" if _without("seed", origin) in same_but_seed else " with new settings"

    counts = Counter(map(reason, runs))
    return [f"{count:,} {plural('run', count)}{why}" for why, count in counts.items()]


def not_read_of(runs: Iterable[Run]) -> list[str]:
    """Return what of the sources of runs cannot be looked at, so that its change goes unnoticed."""
    parts = {id(part): part for run in apart_from_seeds(runs) for part in (*run.choices.values(), run.run_choice)}
    return list(dict.fromkeys(thing for part in parts.values() for thing in part.alternative.not_read))


def _what_changed(origin: Origin, twin: Origin) -> str:
    """Return which sources differ of two runs that are otherwise the same."""
    changed = [(part, twin[key]) for key, part in origin.items() if isinstance(part, list) and part != twin[key]]
    read: dict[str, list[str]] = {}  # what is read, by which components
    names = []
    for now, before in changed:
        here, there = (dict(text.split(" ", 1)[::-1] for text in part[READS:]) for part in (now, before))
        files = [name for name in {**here, **there} if here.get(name) != there.get(name)] if here and there else [""]
        for name in files:
            read.setdefault(name, []).append(now[NAME])
        names += [now[NAME]] if "" in files else []
    texts = [f"the source of {', '.join(names)} changed"] if names else []
    texts += [f"{name} changed, which {', '.join(by)} reads" for name, by in read.items() if name]
    return "; ".join(texts)


def _origin(run: Run, device_kind: str) -> Origin:
    return {**_without_seed(run, device_kind), "seed": run.seed}


def _without_seed(run: Run, device_kind: str) -> Origin:
    settings = _digest(identity_of(run.settings))
    parts = {section: _part(choice.identity) + _reads(choice) for section, choice in run.choices.items()}
    return {
        **parts,
        "run": ["run", run.run_choice.alternative.fingerprint, settings, *_reads(run.run_choice)],
        "device": device_kind,
    }


def _reads(choice: Choice) -> list[str]:
    return [f"{digest} {name}" for name, digest in {**choice.alternative.reads, **choice.framework}.items()]


@cache
def _part(identity: str) -> list[str]:
    _, name, source, settings = json.loads(identity)
    return [name, source, _digest(json.dumps(settings, sort_keys=True))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _without(key: str, origin: Origin) -> str:
    return json.dumps({name: part for name, part in origin.items() if name != key}, sort_keys=True)


def _without_sources(origin: Origin) -> str:
    plain = {key: [part[NAME], part[SETTINGS]] if isinstance(part, list) else part for key, part in origin.items()}
    return json.dumps(plain, sort_keys=True)
