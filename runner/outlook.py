"""Tells what a run of a spec would do: runs, cached, how they are grouped and why, and about how long it takes."""

from __future__ import annotations

from pathlib import Path

from xprun.plugins.registry import Registry
from xprun.runner.devices import pick
from xprun.runner.engine import Piece
from xprun.runner.execute import Context
from xprun.runner.plan import Cohort, make_plan
from xprun.runner.progress import headline, plural
from xprun.runner.store import Store
from xprun.runner.survey import Outlook, survey
from xprun.specs import Spec


def describe_plan(
    spec: Spec, registry: Registry, folder: Path, plugins: tuple[Path, ...], wanted_device: str | None
) -> str:
    """Return the plan of a resolved spec as text, from a short probe of each of its cohorts.

    Raises DeviceError for a device that is absent.
    """
    device = pick(wanted_device or spec.head.device)
    plan = make_plan(spec, registry, device.type)
    finished = Store(folder).finished() if (folder / "store.sqlite").exists() else set()
    cohorts = plan.cohorts(leave_out=finished)
    to_run = sum(len(cohort.runs) for cohort in cohorts)
    lines = [f"{spec.name}: {headline(plan)}; {len(plan.runs) - to_run:,} cached, {to_run:,} to run on {device}"]
    if plan.duplicates:
        lines.append(f"{plan.duplicates:,} {plural('run', plan.duplicates)} of the spec equal others and are run once")
    total = 0.0
    for number, cohort in enumerate(cohorts, 1):
        try:
            outlook = survey(cohort, Context(str(device), plugins))
        except Exception as error:  # the plan is still worth telling
            lines.append(f"cohort {number}: {_size(cohort)} will fail: {type(error).__name__}: {error}")
            continue
        total += outlook.seconds
        lines += _describe(number, outlook)
    if cohorts:
        lines.append(f"about {total:.1f} s of training in one process, evaluations and start apart")
    return "\n".join(lines)


def _describe(number: int, outlook: Outlook) -> list[str]:
    lines = [f"cohort {number}: {_size(outlook.cohort)}, {outlook.steps:,} steps each, about {outlook.seconds:.1f} s"]
    told: dict[tuple[str | None, str], list[Piece]] = {}
    for piece in outlook.pieces:
        told.setdefault((piece.program, piece.reason), []).append(piece)
    for (program, reason), pieces in told.items():
        runs = sum(len(piece.grid) for piece in pieces)
        parts = f" in {len(pieces)} parts" if program and len(pieces) > 1 else ""
        threads = f", {pieces[0].threads} threads" if pieces[0].threads > 1 else ""
        way = f"together{parts} ({program}{threads})" if program else "alone"
        lines.append(f"  {runs:,} {plural('run', runs)} {way}: {reason}")
    return lines


def _size(cohort: Cohort) -> str:
    return f"{len(cohort.runs):,} {plural('run', len(cohort.runs))}"
