"""The sections of a report, in their order: each maps a study to a section, which is left out where it is empty."""

from collections.abc import Callable

from xprun.reports.parts import Section
from xprun.reports.sections.background import environment_section, models_section, spec_section
from xprun.reports.sections.baseline import baseline_section
from xprun.reports.sections.claims import claims_section
from xprun.reports.sections.confusion import confusion_section
from xprun.reports.sections.curves import curves_section
from xprun.reports.sections.fits import fits_section
from xprun.reports.sections.parameters import parameters_section
from xprun.reports.sections.paths import paths_section
from xprun.reports.sections.ranking import ranking_section
from xprun.reports.sections.reading import reading_section
from xprun.reports.sections.runs import runs_section
from xprun.reports.sections.samples import samples_section
from xprun.reports.sections.sensitivity import sensitivity_section
from xprun.reports.sections.targets import targets_section
from xprun.reports.study import Study

Sections = tuple[Callable[[Study], Section], ...]

# What is said first, of all runs.
LEADING: Sections = (claims_section,)
# What is said of each problem: of each data set, where there are several.
COMPARED: Sections = (
    ranking_section,
    baseline_section,
    curves_section,
    sensitivity_section,
    targets_section,
    paths_section,
    fits_section,
    confusion_section,
    samples_section,
    parameters_section,
)
# What is said once, of all runs.
SHARED: Sections = (
    runs_section,
    reading_section,
    models_section,
    spec_section,
    environment_section,
)
