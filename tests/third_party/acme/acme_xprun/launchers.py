"""A launcher: parts of cohorts in processes of this machine, which lead them as those of a cluster would."""

from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from xprun.launching import cut, lead, lost
from xprun.plugins import PositiveInt, launcher


def outcomes_of(context, part):
    return [outcome for several in lead(context, part) for outcome in several]


@launcher("acme.pool")
def pool(cohorts, context, *, places: PositiveInt = 2):
    """Parts of cohorts in so many processes."""
    with ProcessPoolExecutor(places, mp_context=get_context("spawn")) as executor:
        parts = {executor.submit(outcomes_of, context, part): part for part in cut(cohorts, places)}
        for future in as_completed(parts):
            try:
                yield future.result()
            except BrokenProcessPool as error:
                yield lost(parts[future].runs, f"its process was lost: {error}")
