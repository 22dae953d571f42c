"""The sections of a report, in their order: each maps an analysis to a section, which is left out where it is empty."""

from collections.abc import Callable

from xprun.reports.sections.background_section import environment_section, spec_section
from xprun.reports.sections.baseline_section import baseline_section
from xprun.reports.sections.blocks import Section
from xprun.reports.sections.claims_section import claims_section
from xprun.reports.sections.confusion_section import confusion_section
from xprun.reports.sections.curves_section import curves_section
from xprun.reports.sections.data_section import data_section
from xprun.reports.sections.fits_section import fits_section
from xprun.reports.sections.models_section import models_section
from xprun.reports.sections.parameters_section import parameters_section
from xprun.reports.sections.paths_section import paths_section
from xprun.reports.sections.ranking_section import ranking_section
from xprun.reports.sections.reading_section import reading_section
from xprun.reports.sections.runs_section import runs_section
from xprun.reports.sections.samples_section import samples_section
from xprun.reports.sections.sensitivity_section import sensitivity_section
from xprun.reports.sections.targets_section import targets_section
from xprun.reports.stats.analysis import Analysis

Sections = tuple[Callable[[Analysis], Section], ...]

# What is said first, of all runs.
LEADING: Sections = (claims_section,)
# What is said of each problem: of each data set, where there are several. What a spec is about comes first: where there
# are paths, fitted curves or images, they are why somebody ran it.
COMPARED: Sections = (
    paths_section,
    fits_section,
    curves_section,
    samples_section,
    ranking_section,
    baseline_section,
    targets_section,
    sensitivity_section,
    confusion_section,
    parameters_section,
)
# What is said once, of all runs.
SHARED: Sections = (
    data_section,
    runs_section,
    reading_section,
    models_section,
    spec_section,
    environment_section,
)
