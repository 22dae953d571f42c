"""Assembles a report: from the tables of a folder to everything that its pages show."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xprun.reports.cells import counted
from xprun.reports.drawing import Picture
from xprun.reports.findings import cautions, counts, unfinished, verdict
from xprun.reports.formats import DEFAULT
from xprun.reports.look import theme
from xprun.reports.overall import cautions_over, take_together, verdict_over
from xprun.reports.parts import Folded, Gallery, Part, Section
from xprun.reports.sections import COMPARED, LEADING, SHARED, Sections
from xprun.reports.sections.asked import Asked, asked_sections
from xprun.reports.sections.problems import DETAILED, overall_sections, problem_section
from xprun.reports.study import Study, make_study
from xprun.reports.tables import Tables, read_results


@dataclass(frozen=True)
class Page:
    """What all pages show: the answer first, then the sections that bear it out."""

    name: str
    title: str
    created: str
    verdict: str
    total: str
    counts: dict[str, int]
    cautions: list[str]
    sections: list[Section]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture of the page, in order."""
        return [picture for section in self.sections for picture in _pictures(section.parts)]


def make_page(tables: Tables, formats: tuple[str, ...] = DEFAULT, plots: Iterable[Asked] = ()) -> Page:
    """The report on `tables`, with these plots beside its own. `ReportError` where `tables` lack what is compared."""
    study = make_study(tables, formats)
    with theme():
        sections = [*_each(LEADING, study), *_compared(study), *asked_sections(study, plots), *_each(SHARED, study)]
    return Page(**_heading(study), **_findings(study), sections=[section for section in sections if section.parts])


def read_verdict(folder: Path) -> str:
    """The verdict on a folder, from its `results.csv` and `resolved.json` alone."""
    return _verdict(make_study(read_results(folder)))


def _compared(study: Study) -> Iterator[Section]:
    """What is compared: on the one problem, or on all together and then on each."""
    if not study.problems:
        yield from _each(COMPARED, study)
        return
    yield from overall_sections(study, take_together(study))
    for label, part in list(study.problems.items())[:DETAILED]:
        yield problem_section(part, label, [section for section in _each(COMPARED, part) if section.parts])


def _each(sections: Sections, study: Study) -> Iterator[Section]:
    return (section(study) for section in sections)


def _verdict(study: Study) -> str:
    if study.problems:
        return verdict_over(study, take_together(study))
    return verdict(study.judged, study.ranking, study.comparison)


def _pictures(parts: Sequence[Part]) -> Iterator[Picture]:
    for part in parts:
        if isinstance(part, Gallery):
            yield from part.pictures
        elif isinstance(part, Folded):
            yield from _pictures(part.parts)


def _heading(study: Study) -> dict[str, Any]:
    resolved, environment = study.tables.resolved, study.tables.environment
    name = str(resolved.get("name") or "experiment")
    return {
        "name": name,
        "title": str(resolved.get("title") or name),
        "created": str(environment.get("created") or ""),
    }


def _findings(study: Study) -> dict[str, Any]:
    planned = max(len(study.judged), study.tables.resolved.get("runs") or 0)
    missing = planned - len(study.judged)
    return {
        "verdict": _verdict(study),
        "total": f"{len(study.judged)} of {counted(planned, 'run')}" if missing else counted(planned, "run"),
        "counts": counts(study.judged) | ({"missing": missing} if missing else {}),
        "cautions": unfinished(study.judged, planned) + _cautions(study),
    }


def _cautions(study: Study) -> list[str]:
    if study.problems:
        return cautions_over(study)
    return cautions(study.judged, study.summary, study.ranking, study.comparison)
