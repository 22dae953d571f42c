"""What the author of a launcher imports: `lead` trains a cohort, wherever the launcher has brought it."""

from xprun.runner.execution.leading import lead
from xprun.runner.execution.places import PlaceError
from xprun.runner.execution.worker_context import Context
from xprun.runner.launchers.choice import LauncherError
from xprun.runner.launchers.launcher_contract import lost
from xprun.runner.launchers.parcels import Parcel, lead_in_parcels
from xprun.runner.planning.cohorts import Cohort, cut
from xprun.runner.results.outcome import Outcome

__all__ = [
    "Cohort",
    "Context",
    "LauncherError",
    "Outcome",
    "Parcel",
    "PlaceError",
    "cut",
    "lead",
    "lead_in_parcels",
    "lost",
]
