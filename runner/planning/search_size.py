"""How many runs a search is at most: a limit counts what is trained, and a grid does not say what its rounds train."""

from __future__ import annotations

from xprun.runner.planning.plan import make_plan
from xprun.runner.results.results_schema import CONFIRM
from xprun.specs import Diagnostic, Spec, SpecError, count_runs
from xprun.specs.language.confirmation import count_confirmation
from xprun.specs.language.searches import SEARCH_SECTION

ANY_DEVICE = "cpu"  # ids depend on the kind of device, numbers do not


def count_search(spec: Spec) -> int:
    """Return how many runs a resolved spec trains before any on fresh seeds; at most, where `[search]` tries rounds."""
    if spec.search is None:
        return count_runs(spec)
    stages = make_plan(spec, ANY_DEVICE).stages
    return sum(number for stage, number in stages.items() if stage != CONFIRM)


def refuse_long_search(spec: Spec, max_runs: int) -> None:
    """Raise SpecError where the rounds of a resolved spec's `[search]`, and what follows them, are too many runs."""
    if spec.search is None:
        return
    count, confirming = count_search(spec), count_confirmation(spec)
    if count + confirming > max_runs:
        then = f" and up to {confirming:,} more on fresh seeds" if confirming else ""
        message = f"its rounds are up to {count:,} runs{then}, more than the limit of {max_runs:,}"
        help_text = f"sweep fewer settings, or raise the limit: --max-runs {count + confirming}"
        raise SpecError(spec.document, [Diagnostic((SEARCH_SECTION,), message, help_text)])
