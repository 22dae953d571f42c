"""What every worker needs: imported once by the process from which they are forked (`workers/fork_server.py`)."""

from xprun.plugins.discovery import open_registry
from xprun.runner.execution import cohort_execution, cost_estimate
from xprun.runner.execution.warm_up import WarmUp
from xprun.runner.process.global_state import GlobalState
from xprun.runner.visuals import model_summaries

__all__ = ["cohort_execution", "cost_estimate", "model_summaries", "warm_up"]

open_registry()
warm_up = WarmUp()  # which workers do that are started ahead
GlobalState.now()  # as it is before any component has run
