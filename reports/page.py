"""Assembles a report: from the tables of a folder to everything that its pages show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xprun.reports.cells import counted
from xprun.reports.drawing import Picture
from xprun.reports.findings import cautions, counts, verdict
from xprun.reports.look import theme
from xprun.reports.parts import Gallery, Section
from xprun.reports.sections import COMPARED, LEADING, SHARED
from xprun.reports.study import FORMATS, Study, make_study
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
        galleries = [part for section in self.sections for part in section.parts if isinstance(part, Gallery)]
        return [picture for gallery in galleries for picture in gallery.pictures]


def make_page(tables: Tables, formats: tuple[str, ...] = FORMATS) -> Page:
    """The report on `tables`. `ReportError` where they cannot answer what is compared."""
    study = make_study(tables, formats)
    with theme():
        sections = [section(study) for section in (*LEADING, *COMPARED, *SHARED)]
    return Page(**_heading(study), **_findings(study), sections=[section for section in sections if section.parts])


def read_verdict(folder: Path) -> str:
    """The verdict on a folder, from its `results.csv` and `resolved.json` alone."""
    study = make_study(read_results(folder))
    return verdict(study.judged, study.ranking, study.comparison)


def _heading(study: Study) -> dict[str, Any]:
    resolved, environment = study.tables.resolved, study.tables.environment
    name = str(resolved.get("name") or "experiment")
    return {
        "name": name,
        "title": str(resolved.get("title") or name),
        "created": str(environment.get("created") or ""),
    }


def _findings(study: Study) -> dict[str, Any]:
    judged, comparison = study.judged, study.comparison
    planned = study.tables.resolved.get("runs")
    return {
        "verdict": verdict(judged, study.ranking, comparison),
        "total": counted(len(judged), "run"),
        "counts": counts(judged),
        "cautions": cautions(judged, study.summary, study.ranking, comparison, planned),
    }
